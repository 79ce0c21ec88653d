/** Which columns are shown, and their order: the user's choice, or else the most important first. */

/** @typedef {import('./types.js').Column} Column */

const LAST = ['duration_s', 'attempts'];
/** Number of columns shown by default; every other one is a click away. */
export const MOST_BY_DEFAULT = 40;
/** Maximum number of columns shown at the same time. */
export const MOST_SHOWN = 200;

/**
 * @param {Column[]} columns
 * @param {string[]} chosen keys in the user's order; unknown ones are ignored
 * @param {string|null} metric the objective: its own column would repeat it
 * @param {string} [source] `hparams`: trials have no number and a single attempt
 * @param {boolean} [narrow] whether the window is a phone's
 * @returns {Column[]}
 */
export function shownColumns(columns, chosen, metric, source = 'tuner', narrow = false) {
  const byKey = new Map(columns.map((column) => [column.key, column]));
  const wanted = chosen.length > 0 ? chosen : defaultKeys(columns, metric, source, narrow);
  /** @type {Column[]} */
  const found = [];
  for (const key of wanted.slice(0, MOST_SHOWN)) {
    const column = byKey.get(key);
    if (column) found.push(column);
  }
  return found.length > 0 ? found : columns.slice(0, MOST_BY_DEFAULT);
}

/**
 * @param {Column[]} columns
 * @param {string|null} metric
 * @param {string} [source]
 * @param {boolean} [narrow] then the objective comes before the state, so that both are seen
 * @returns {string[]} facts, tuned parameters by importance, metrics, times
 */
export function defaultKeys(columns, metric, source = 'tuner', narrow = false) {
  const keys = new Set(columns.map((column) => column.key));
  const numbered = source !== 'hparams' && keys.has('trial');
  const facts = ['rank', numbered ? 'trial' : 'run', ...(narrow ? ['objective', 'state'] : ['state', 'objective'])];
  const parameters = byImportance(columns.filter((column) => column.group === 'param' && !column.constant));
  const metrics = columns.filter((column) => column.group === 'metric' && column.label !== metric && column.key !== `metrics.${metric}`);
  const middle = [...parameters, ...metrics].map((column) => column.key);
  const ends = (numbered ? LAST : LAST.slice(0, 1)).filter((key) => keys.has(key));
  const room = MOST_BY_DEFAULT - facts.length - ends.length;
  return [...facts.filter((key) => keys.has(key)), ...middle.slice(0, room), ...ends];
}

/** @param {Column[]} columns @returns {Column[]} most important first; unknown importance keeps its place at the end */
export function byImportance(columns) {
  return [...columns].sort((a, b) => (b.share ?? -1) - (a.share ?? -1));
}

/**
 * @param {string[]} keys
 * @param {string} key
 * @param {number} by -1 to the left, 1 to the right
 * @returns {string[]}
 */
export function moved(keys, key, by) {
  const at = keys.indexOf(key);
  const to = at + by;
  if (at < 0 || to < 0 || to >= keys.length) return keys;
  const next = keys.filter((one) => one !== key);
  next.splice(to, 0, key);
  return next;
}
