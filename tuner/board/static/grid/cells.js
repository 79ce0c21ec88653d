/** The content of a cell: as text for measuring and titles, and as elements. */
import { el, fill } from '../dom.js';
import { causeWord, exactValue, formatDuration, formatTime, formatValue, reasonLine, stateKey, stateWord } from '../format.js';
import { rowValue } from '../row_value.js';

/** @typedef {import('../types.js').Column} Column */
/** @typedef {import('../types.js').Row} Row */

/**
 * @param {Column} column
 * @param {Row} row
 * @returns {string} empty if there is nothing
 */
export function cellText(column, row) {
  const value = rowValue(column, row);
  switch (column.key) {
    case 'state': return [stateWord(row.state), causeWord(row.cause)].filter(Boolean).join(': ');
    case 'cause': return causeWord(row.cause);
    case 'duration_s': return formatDuration(row.duration_s);
    case 'started': return formatTime(row.started);
    case 'history': return row.history ? 'from history' : '';
    case 'objective': return formatValue(value, null, 6);
    default: return formatValue(value, column, column.group === 'metric' ? 6 : 4);
  }
}

/**
 * Fill a cell; the cell itself stays, so that it keeps the focus.
 * @param {HTMLElement} cell
 * @param {Column} column
 * @param {Row} row
 */
export function drawCell(cell, column, row) {
  const text = cellText(column, row);
  if (column.key === 'state') fill(cell, badge(row), causeOf(row));
  else if (column.key === 'trial') fill(cell, el('span', {}, text), row.history ? historyMark() : null);
  else if (column.key === 'rank') fill(cell, text, row.rank === 1 ? el('span', { class: 'bt-best', title: 'the best trial' }, 'best') : null);
  else {
    cell.textContent = text;
    cell.classList.toggle('bt-bool', typeof rowValue(column, row) === 'boolean');
  }
}

/** @param {Column} column @param {Row} row @returns {string} the full content of a cell: every digit, the reason */
export function cellTitle(column, row) {
  const text = cellText(column, row);
  if (column.key === 'state') return [text, reasonLine(row.reason, 300)].filter(Boolean).join('\n');
  const value = rowValue(column, row);
  return typeof value === 'number' ? exactValue(value) : text;
}

/** @param {{state: string}} row @returns {HTMLElement} the state's word, with its colour */
export function badge(row) {
  return el('span', { class: 'bt-state', 'data-state': stateKey(row.state) }, stateWord(row.state));
}

/** @param {Row} row @returns {HTMLElement|null} */
function causeOf(row) {
  const cause = causeWord(row.cause);
  return cause ? el('span', { class: 'bt-cause' }, cause) : null;
}

/** @returns {HTMLElement} */
function historyMark() {
  return el('abbr', { class: 'bt-history', title: 'proposed by history' }, 'hist');
}
