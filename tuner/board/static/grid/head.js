/** The header row: names, sorting, filters, the share of importance, moving columns. */
import { el, button } from '../dom.js';
import { visible } from '../format.js';
import { termsOf, searchName } from '../query_text.js';
import { isNumber, labelParts } from './layout.js';

/** @typedef {import('../types.js').Column} Column */

/** @type {Record<string, string>} */
const NAMES = { rank: 'Rank', trial: 'Trial', run: 'Run', state: 'State', cause: 'Cause', objective: 'Objective', duration_s: 'Duration', attempts: 'Attempts', started: 'Started', history: 'History' };

/**
 * @typedef {object} HeadActions
 * @property {(column: Column) => void} sort
 * @property {(column: Column, anchor: HTMLElement) => void} filter
 * @property {(column: Column, before: Column) => void} place
 */

/** @param {Column} column @param {string|null} [metric] @returns {string} name of a column */
export function columnName(column, metric = null) {
  if (column.key === 'objective' && metric) return visible(metric, 80);
  return column.group === 'fact' ? (NAMES[column.key] ?? visible(column.label, 80)) : visible(column.label, 80);
}

/**
 * @param {Column} column
 * @param {number} index aria-colindex
 * @param {{sort: string, query: string, metric: string|null}} state
 * @param {HeadActions} actions
 * @returns {HTMLElement}
 */
export function headCell(column, index, state, actions) {
  const name = columnName(column, state.metric);
  const sorted = sortOf(column, state.sort);
  const filtered = termsOf(state.query, searchName(column)).length > 0;
  const parts = column.group === 'fact' ? [name] : labelParts(name);
  const share = typeof column.share === 'number' ? Math.max(0, Math.min(1, column.share)) : null;
  const notes = [column.conditional ? 'only set under a condition' : '', share === null ? '' : `importance ${Math.round(share * 100)} %`].filter(Boolean).join(', ');
  const opener = button('', (event) => {
    event.stopPropagation();
    actions.filter(column, opener);
  }, { class: 'bt-funnel', tabindex: -1, 'aria-label': `Filter ${name}`, 'aria-pressed': String(filtered), title: `Filter ${name} (Alt+↓)` });
  const cell = el('div', {
    role: 'columnheader', 'aria-colindex': index, 'aria-sort': sorted, tabindex: -1, draggable: true, 'data-key': column.key,
    'aria-label': notes ? `${name}, ${notes}` : name, class: isNumber(column) ? 'bt-cell bt-number' : 'bt-cell', title: `${name}${notes ? `: ${notes}` : ''}\nClick to sort; drag to move`,
    on: { click: () => actions.sort(column), ...dragging(column, actions) },
  },
  el('span', { class: 'bt-label' }, parts.length > 1 ? el('small', {}, parts[0]) : null, el('span', {}, parts.at(-1))),
  el('span', { class: 'bt-arrow', 'aria-hidden': 'true' }, { ascending: '▲', descending: '▼', none: '' }[sorted]), opener,
  share === null ? null : el('span', { class: 'bt-share', style: `width:${Math.round(share * 100)}%`, 'aria-hidden': 'true' }));
  return cell;
}

/** @param {Column} column @param {string} sort @returns {'ascending'|'descending'|'none'} */
function sortOf(column, sort) {
  const key = sort.replace(/^-/, '');
  if (key === '') return column.key === 'rank' ? 'ascending' : 'none';
  if (key !== column.key) return 'none';
  return sort.startsWith('-') ? 'descending' : 'ascending';
}

/** @param {Column} column @param {HeadActions} actions @returns {Record<string, EventListener>} */
function dragging(column, actions) {
  return {
    dragstart: (event) => /** @type {DragEvent} */ (event).dataTransfer?.setData('text/x-bt-column', column.key),
    dragover: (event) => {
      if (/** @type {DragEvent} */ (event).dataTransfer?.types.includes('text/x-bt-column')) event.preventDefault();
    },
    drop: (event) => {
      event.preventDefault();
      const key = /** @type {DragEvent} */ (event).dataTransfer?.getData('text/x-bt-column');
      if (key && key !== column.key) actions.place(/** @type {Column} */ ({ key }), column);
    },
  };
}

/**
 * The order after a click on a header: one direction, the other, then best first again.
 * @param {string} sort the present order
 * @param {Column} column
 * @param {string|null} goal
 * @returns {string}
 */
export function nextSort(sort, column, goal) {
  const big = column.key === 'objective' ? goal !== 'minimize' : column.group === 'metric' || column.key === 'duration_s' || column.key === 'started';
  const [first, second] = big ? [`-${column.key}`, column.key] : [column.key, `-${column.key}`];
  if (column.key === 'rank') return sort === '' ? '-rank' : '';
  if (sort === first) return second;
  return sort === second ? '' : first;
}
