/**
 * What is shown, as encoded in the address: `#best_trials&bt.study=vision%2Fdigits&bt.sort=-objective`.
 *
 * TensorBoard keeps the keys that it does not know, so they are read from and written beside its own.
 */

export const PLUGIN = 'best_trials';
const PREFIX = 'bt.';
const LONGEST = 4000;
const MOST = 200;
/** Maximum number of trials chosen at the same time. */
export const MOST_CHOSEN = 5;

/**
 * @typedef {object} View
 * @property {string} study empty: the newest
 * @property {string} sort a column's key, `-` before it for descending; empty: best first
 * @property {string} query
 * @property {string[]} columns keys in their order; empty: by importance
 * @property {string[]} trials the chosen ones: numbers, or runs of foreign logs
 * @property {string} open the trial whose details are shown
 * @property {string} plot
 * @property {string} metric of foreign logs: what is the objective
 * @property {string} goal `maximize` or `minimize`, of foreign logs
 * @property {string} value `best` or `last`, of foreign logs
 * @property {string} theme `light` or `dark`; empty: as TensorBoard
 * @property {string[]} curves runs to show in TIME SERIES at once
 */

/** @type {Record<keyof View, string>} */
const KEYS = {
  study: 'study', sort: 'sort', query: 'q', columns: 'cols', trials: 'trials', open: 'open', plot: 'plot',
  metric: 'metric', goal: 'goal', value: 'value', theme: 'theme', curves: 'curves',
};
/** @type {Record<string, string[]>} */
const ALLOWED = { goal: ['', 'maximize', 'minimize'], value: ['', 'best', 'last'], theme: ['', 'light', 'dark'] };
const LISTS = new Set(['columns', 'trials', 'curves']);

/** @returns {View} what is shown when the address says nothing */
export function emptyView() {
  return { study: '', sort: '', query: '', columns: [], trials: [], open: '', plot: '', metric: '', goal: '', value: '', theme: '', curves: [] };
}

/**
 * @param {string} hash with or without its `#`
 * @returns {{plugin: string, view: View, other: string[]}} `other`: parts that are not ours, unchanged
 */
export function parseHash(hash) {
  const [plugin = '', ...parts] = hash.replace(/^#/, '').split('&');
  /** @type {Record<string, string|string[]>} */
  const found = {};
  const other = [];
  const names = new Map(Object.entries(KEYS).map(([name, key]) => [PREFIX + key, name]));
  for (const part of parts) {
    const cut = part.indexOf('=');
    const name = names.get(decode(cut < 0 ? part : part.slice(0, cut)));
    const text = cut < 0 ? '' : part.slice(cut + 1, cut + 1 + LONGEST);
    if (!name) {
      if (part && !part.startsWith(PREFIX)) other.push(part);
    } else if (LISTS.has(name)) found[name] = parseList(decode(text), name === 'trials' ? MOST_CHOSEN : MOST);
    else if (!ALLOWED[name] || ALLOWED[name].includes(decode(text))) found[name] = decode(text);
  }
  return { plugin, view: { ...emptyView(), .../** @type {Partial<View>} */ (found) }, other };
}

/**
 * @param {View} view
 * @param {string[]} [other] other parts, kept after ours
 * @returns {string} the hash, with its `#`; default values are left out
 */
export function formatHash(view, other = []) {
  const parts = [PLUGIN];
  for (const [name, key] of Object.entries(KEYS)) {
    const value = view[/** @type {keyof View} */ (name)];
    const text = Array.isArray(value) ? value.slice(0, MOST).map(encodeURIComponent).join(',') : value;
    if (text) parts.push(`${PREFIX}${key}=${Array.isArray(value) ? listSafe(text) : encodeURIComponent(text)}`);
  }
  return `#${[...parts, ...other].join('&')}`;
}

/** @param {import('./types.js').Row} row @returns {string} a trial's id in the address: its number, or else its run */
export function rowId(row) {
  return row.trial === null || row.trial === undefined ? row.run : String(row.trial);
}

/** @param {string} text @returns {string} a list's text, encoded once more except its commas */
function listSafe(text) {
  return text.split(',').map(encodeURIComponent).join(',');
}

/** @param {string} text @param {number} most @returns {string[]} */
function parseList(text, most) {
  return [...new Set(text.split(',').filter(Boolean).map(decode))].slice(0, most);
}

/** @param {string} text @returns {string} decoded, or unchanged if it is not an encoding */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
