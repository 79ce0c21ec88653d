/** What can stand where the cursor of the search is: names of columns, then values that are known. */
import { searchName, term } from './query_text.js';
import { formatValue } from './format.js';

/** @typedef {import('./types.js').Column} Column */

/**
 * @typedef {object} Completion
 * @property {string} label
 * @property {string} text what takes the place of the word
 * @property {string} hint
 */

const MOST = 12;
const STATES = ['complete', 'pruned', 'fail', 'running', 'waiting'];
const CAUSES = ['error', 'oom', 'timeout', 'diverged', 'lost', 'rejected', 'storage', 'cancelled'];

/**
 * @param {string} query
 * @param {number} cursor
 * @returns {{at: number, word: string}} the word that is being written
 */
export function wordAt(query, cursor) {
  const before = query.slice(0, cursor);
  const quotes = (before.match(/"/g) ?? []).length;
  const start = quotes % 2 ? before.lastIndexOf('"') : before.length;
  const space = before.slice(0, quotes % 2 ? start : before.length).search(/\S*$/);
  return { at: space, word: before.slice(space) };
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
  const cut = bare.search(/[=<>!:]/);
  if (cut > 0) return values(bare.slice(0, cut), bare.slice(cut), columns, minus);
  const typed = bare.toLowerCase();
  if (!typed) return [];
  return columns
    .map((column) => ({ column, name: searchName(column) }))
    .filter(({ name }) => name.toLowerCase().includes(typed))
    .sort((a, b) => nearness(a.name, typed) - nearness(b.name, typed))
    .slice(0, MOST)
    .map(({ column, name }) => ({ label: name, text: minus + name + operatorOf(column), hint: hintOf(column) }));
}

/**
 * @param {string} name
 * @param {string} rest operator and what is written of the value
 * @param {Column[]} columns
 * @param {string} minus
 * @returns {Completion[]}
 */
function values(name, rest, columns, minus) {
  const operator = rest.match(/^(!=|>=|<=|=|>|<|:)/)?.[0] ?? '=';
  const typed = rest.slice(operator.length).replace(/^"/, '').toLowerCase();
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

/** @param {string} name @param {string} typed @returns {number} less is nearer */
function nearness(name, typed) {
  const lower = name.toLowerCase();
  if (lower.startsWith(typed)) return 0;
  return lower.includes(`.${typed}`) || lower.includes(`_${typed}`) ? 1 : 2;
}
