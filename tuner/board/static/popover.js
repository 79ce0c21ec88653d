/** A small box over the page, next to its opener: closed by Escape, a click elsewhere or tabbing out. */
import { el } from './dom.js';

/** @type {(() => void)|null} */
let closeOpen = null;
const MARGIN = 8;

/**
 * @param {HTMLElement} anchor focus returns to it
 * @param {string} label spoken
 * @param {(close: () => void) => HTMLElement[]} content
 * @param {string} [role]
 * @returns {HTMLElement}
 */
export function openPopover(anchor, label, content, role = 'dialog') {
  closeOpen?.();
  const box = el('div', { class: 'bt-popover', role, 'aria-label': label, on: { keydown: (event) => keys(/** @type {KeyboardEvent} */ (event)), focusout: (event) => left(/** @type {FocusEvent} */ (event)) } });
  /** @param {PointerEvent} event */
  const outside = (event) => {
    if (event.target instanceof Node && !box.contains(event.target)) close(false);
  };
  /** @param {boolean} [back] whether focus returns */
  const close = (back = true) => {
    document.removeEventListener('pointerdown', outside, true);
    if (closeOpen !== close) return;
    closeOpen = null;
    box.remove();
    anchor.setAttribute('aria-expanded', 'false');
    if (back && anchor.isConnected) anchor.focus();
  };
  /** @param {KeyboardEvent} event */
  const keys = (event) => {
    if (event.key !== 'Escape') return;
    close();
    event.stopPropagation();
  };
  /** @param {FocusEvent} event */
  const left = (event) => {
    if (event.relatedTarget instanceof Node && !box.contains(event.relatedTarget)) close(false);
  };
  box.append(...content(close));
  document.body.append(box);
  place(box, anchor.getBoundingClientRect());
  closeOpen = close;
  anchor.setAttribute('aria-expanded', 'true');
  document.addEventListener('pointerdown', outside, true);
  const first = /** @type {HTMLElement|null} */ (box.querySelector('[autofocus], input, select, button, a'));
  first?.focus();
  return box;
}

/** @param {HTMLElement} box @param {DOMRect} near */
function place(box, near) {
  const left = Math.max(MARGIN, Math.min(near.left, innerWidth - box.offsetWidth - MARGIN));
  const below = near.bottom + 4;
  const top = below + box.offsetHeight + MARGIN <= innerHeight ? below : Math.max(MARGIN, Math.min(below, innerHeight - box.offsetHeight - MARGIN));
  box.style.left = `${left}px`;
  box.style.top = `${top + scrollY}px`;
}
