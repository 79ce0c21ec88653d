/** The widths of columns, and which stay in view when the table is scrolled horizontally. */
import { cellText } from './cells.js';

/** @typedef {import('../types.js').Column} Column */
/** @typedef {import('../types.js').Row} Row */

const CHARACTER = 7.8;
const PADDING = 18;
const NARROWEST = 58;
const WIDEST = 190;
const SAMPLE = 60;
/** Width of the column that chooses trials, in pixels. */
export const CHOOSE = 38;

/** @type {Record<string, number>} */
const FIXED = { rank: 88, trial: 92, attempts: 98 };
/** @type {Record<string, number>} */
const FIXED_NARROW = { rank: 72, trial: 62, attempts: 98 };
const STICKY = new Set(['rank', 'trial', 'run']);

/**
 * @param {Column[]} columns
 * @param {Iterable<Row>} rows some of them, to measure values
 * @param {string|null} metric name of the objective
 * @param {boolean} narrow whether the window is a phone's
 * @returns {number[]} pixels
 */
export function widths(columns, rows, metric, narrow) {
  /** @type {Row[]} */
  const sample = [];
  for (const row of rows) if (sample.push(row) >= SAMPLE) break;
  return columns.map((column) => {
    const fixed = (narrow ? FIXED_NARROW : FIXED)[column.key];
    if (fixed) return fixed;
    const label = longest(labelParts(column.key === 'objective' && metric ? metric : column.label)) * 8.2 + 22;
    const value = Math.max(0, ...sample.map((row) => cellText(column, row).length)) * CHARACTER;
    if (column.key === 'run') return Math.round(Math.min(narrow ? 120 : 260, Math.max(label, value) + PADDING));
    if (column.key === 'state') return Math.round(Math.min(narrow ? 120 : 260, Math.max(120, value + 34)));
    return Math.round(Math.min(WIDEST, Math.max(NARROWEST, label + PADDING, value + PADDING)));
  });
}

/**
 * @param {Column[]} columns
 * @param {number[]} wide
 * @param {boolean} narrow whether the window is a phone's: then only the trial stays
 * @returns {(number|null)[]} the distance from the left of those that stay, null for others
 */
export function stickyLefts(columns, wide, narrow) {
  let left = CHOOSE;
  let open = true;
  return columns.map((column, at) => {
    open &&= STICKY.has(column.key);
    if (!open || (narrow && column.key !== columns[0]?.key)) return null;
    const here = left;
    left += wide[at] ?? 0;
    return here;
  });
}

/** @param {string} label @returns {string[]} `train.`, `learning_rate`: the part up to the last dot, and the rest */
export function labelParts(label) {
  const cut = label.lastIndexOf('.', label.length - 2);
  return cut > 0 ? [label.slice(0, cut + 1), label.slice(cut + 1)] : [label];
}

/** @param {Column} column @returns {boolean} whether its values are right-aligned numbers */
export function isNumber(column) {
  return column.key !== 'trial' && column.key !== 'rank' && ['int', 'float'].includes(column.type);
}

/** @param {string[]} parts @returns {number} */
function longest(parts) {
  return Math.max(...parts.map((part) => Math.min(part.length, 22)));
}
