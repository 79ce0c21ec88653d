/** Lets the user choose which columns are shown, and their order. */
import { button, el, fill } from './dom.js';
import { visible } from './format.js';
import { columnName } from './grid/head.js';
import { openPopover } from './popover.js';
import { moved, MOST_SHOWN } from './visible_columns.js';

/** @typedef {import('./types.js').Column} Column */

const MOST_LISTED = 300;

/**
 * @param {import('./store.js').Store} store
 * @param {HTMLElement} anchor
 */
export function openColumns(store, anchor) {
  openPopover(anchor, 'Columns', (close) => {
    const find = el('input', { type: 'search', 'aria-label': 'Find a column', placeholder: 'Find a column', autofocus: true, on: { input: () => draw() } });
    const list = el('ul', { class: 'bt-columns', 'aria-label': 'Columns' });
    const note = el('p', { class: 'bt-muted', role: 'status' });

    /** @param {string[]} keys */
    const put = (keys) => {
      store.look({ columns: keys.slice(0, MOST_SHOWN) });
      draw(keys);
    };

    /** @param {string[]} [keys] */
    const draw = (keys = store.state.shown.map((column) => column.key)) => {
      const typed = find.value.trim().toLowerCase();
      const byKey = new Map(store.state.columns.map((column) => [column.key, column]));
      const shown = keys.map((key) => byKey.get(key)).filter((column) => column !== undefined);
      const others = store.state.columns.filter((column) => !keys.includes(column.key));
      const matching = [...shown, ...others].filter((column) => column.key.toLowerCase().includes(typed));
      fill(list, ...matching.slice(0, MOST_LISTED).map((column) => item(column, keys, put, store.state.table?.metric ?? null)));
      note.textContent = `${shown.length} of ${store.state.columns.length} shown${matching.length > MOST_LISTED ? `; the first ${MOST_LISTED} are listed, find others by name` : ''}`;
    };
    draw();
    return [el('strong', {}, 'Columns'), find, list, note,
      el('div', { class: 'bt-buttons' }, button('By importance', () => { store.look({ columns: [] }); setTimeout(() => draw()); }, { class: 'bt-button', title: 'The columns and the order of the beginning' }), button('Done', close, { class: 'bt-button bt-main' }))];
  });
}

/**
 * @param {Column} column
 * @param {string[]} keys shown ones
 * @param {(keys: string[]) => void} put
 * @param {string|null} metric
 * @returns {HTMLElement}
 */
function item(column, keys, put, metric) {
  const shown = keys.includes(column.key);
  const name = columnName(column, metric);
  const box = el('input', { type: 'checkbox', checked: shown, disabled: shown && keys.length === 1, on: { change: () => put(box.checked ? [...keys, column.key] : keys.filter((key) => key !== column.key)) } });
  const notes = [column.constant ? 'the same in all trials' : '', column.conditional ? 'conditional' : '', typeof column.share === 'number' ? `${Math.round(column.share * 100)} %` : ''].filter(Boolean).join(', ');
  return el('li', {}, el('label', { class: 'bt-check' }, box, ' ', el('span', {}, name), notes ? el('small', {}, visible(notes)) : null),
    shown ? button('↑', () => put(moved(keys, column.key, -1)), { 'aria-label': `Move ${name} left`, class: 'bt-mini' }) : null,
    shown ? button('↓', () => put(moved(keys, column.key, 1)), { 'aria-label': `Move ${name} right`, class: 'bt-mini' }) : null);
}
