/** Elements made in one expression. Children are text or elements: a log's names and values never become markup. */

/**
 * @typedef {string|number|null|undefined|false|Node} Child
 * @typedef {{[name: string]: unknown, on?: Record<string, (event: Event) => void>}} Attributes true sets an empty attribute, false and null none
 */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  const { on = {}, ...plain } = attributes;
  for (const [event, act] of Object.entries(on)) element.addEventListener(event, act);
  for (const [name, value] of Object.entries(plain)) {
    if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  fill(element, ...children);
  return element;
}

/**
 * Replace the content of an element.
 * @param {Element} element
 * @param {...Child} children
 */
export function fill(element, ...children) {
  /** @type {(string|Node)[]} */
  const kept = [];
  for (const child of children) {
    if (child !== null && child !== undefined && child !== false) kept.push(child instanceof Node ? child : String(child));
  }
  element.replaceChildren(...kept);
}

/**
 * @param {string} label what it does, as visible and accessible name
 * @param {(event: Event) => void} act
 * @param {Attributes} [attributes]
 * @returns {HTMLButtonElement}
 */
export function button(label, act, attributes = {}) {
  return el('button', { type: 'button', on: { click: act }, ...attributes }, label);
}

/** @returns {boolean} whether the window is a phone's */
export function isNarrow() {
  return window.innerWidth < 600;
}
