/** Completions at the cursor of the search: column names, then known values. */
import { quoted, searchName, term, terms } from './query_text.js';
import { formatValue } from './format.js';

/** @typedef {import('./types.js').Column} Column */

/**
 * @typedef {object} Completion
 * @property {string} label
 * @property {string} text replaces the word
 * @property {string} hint
 */

const MOST = 12;
const STATES = ['complete', 'pruned', 'fail', 'running', 'waiting'];
const CAUSES = ['error', 'oom', 'timeout', 'diverged', 'lost', 'rejected', 'storage', 'cancelled'];

/**
 * @param {string} query
 * @param {number} cursor
 * @returns {{at: number, word: string}} the word being typed
 */
export function wordAt(query, cursor) {
  const before = query.slice(0, cursor);
  const last = terms(before).at(-1);
  const at = last && last.at + last.length === before.length ? last.at : before.length;
  return { at, word: before.slice(at) };
}

/**
 * @param {string} query
 * @param {number} cursor
 * @param {Column[]} columns
 * @returns {Completion[]} best first
 */
export function completions(query, cursor, columns) {
  const { word } = wordAt(query, cursor);
  const minus = word.startsWith('-') ? '-' : '';
  const bare = word.slice(minus.length);
  const [begun] = terms(bare);
  if (begun?.operator) return values(begun, columns, minus);
  const typed = (begun?.value ?? '').toLowerCase();
  if (!typed) return [];
  return columns
    .map((column) => ({ column, name: searchName(column) }))
    .filter(({ name }) => name.toLowerCase().includes(typed))
    .sort((a, b) => nearness(a.name, typed) - nearness(b.name, typed))
    .slice(0, MOST)
    .map(({ column, name }) => ({ label: name, text: minus + quoted(name) + operatorOf(column), hint: hintOf(column) }));
}

/**
 * @param {import('./query_text.js').Term} begun
 * @param {Column[]} columns
 * @param {string} minus
 * @returns {Completion[]}
 */
function values({ name, operator, value }, columns, minus) {
  const typed = value.toLowerCase();
  const column = columns.find((one) => searchName(one) === name || one.key === name);
  return known(name, column)
    .filter(({ shown }) => shown.toLowerCase().includes(typed) && shown.toLowerCase() !== typed)
    .slice(0, MOST)
    .map(({ shown, isText }) => ({ label: shown, text: `${minus}${term(name, operator, isText ? shown.replace(/^"|"$/g, '') : shown, isText)} `, hint: name }));
}

/** @param {string} name @param {Column|undefined} column @returns {{shown: string, isText: boolean}[]} */
function known(name, column) {
  if (name === 'state') return STATES.map((shown) => ({ shown, isText: false }));
  if (name === 'cause') return CAUSES.map((shown) => ({ shown, isText: false }));
  if (column?.type === 'bool' || name === 'history') return ['true', 'false'].map((shown) => ({ shown, isText: false }));
  return (column?.values ?? []).map((value) => ({ shown: formatValue(value), isText: typeof value === 'string' }));
}

/** @param {Column} column @returns {string} */
function operatorOf(column) {
  if (column.type === 'state' || column.key === 'cause') return ':';
  return column.type === 'float' || column.type === 'time' ? '' : '=';
}

/** @param {Column} column @returns {string} */
function hintOf(column) {
  const kind = { fact: 'of the trial', param: 'parameter', metric: 'metric' }[column.group] ?? '';
  const { low, high } = column;
  return typeof low === 'number' && typeof high === 'number' ? `${kind}, ${formatValue(low)} to ${formatValue(high)}` : kind;
}

/** @param {string} name @param {string} typed @returns {number} smaller is nearer */
function nearness(name, typed) {
  const lower = name.toLowerCase();
  if (lower.startsWith(typed)) return 0;
  return lower.includes(`.${typed}`) || lower.includes(`_${typed}`) ? 1 : 2;
}
