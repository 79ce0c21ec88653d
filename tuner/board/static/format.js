/** Values as text: types remain distinguishable, and nothing in a log can break the line it is in. */

/** @typedef {import('./types.js').Value} Value */
/** @typedef {import('./types.js').Column} Column */

const LONGEST = 300;
// Control characters, marks that change the direction of writing, and characters without a width.
// eslint-disable-next-line no-control-regex
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** @type {Record<string, string>} */
const STATES = { complete: 'complete', pruned: 'pruned', fail: 'failed', failed: 'failed', running: 'running', waiting: 'waiting' };
/** @type {Record<string, string>} */
const CAUSES = {
  lost: 'worker lost',
  preempted: 'worker had to leave',
  rejected: 'no worker fits',
  storage: 'storage full',
  oom: 'out of memory',
  timeout: 'over its time limit',
  diverged: 'diverged',
  error: 'error',
  cancelled: 'cancelled',
};

/**
 * @param {unknown} text
 * @param {number} [longest] characters kept
 * @returns {string} with invisible characters written out (`\u202e`), on one line
 */
export function visible(text, longest = LONGEST) {
  const whole = String(text);
  const cut = whole.length > longest ? `${whole.slice(0, longest)}…` : whole;
  return cut.replace(UNSEEN, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/**
 * @param {unknown} text
 * @param {number} [longest] characters kept
 * @returns {string} as `visible`, with its lines and tabs kept
 */
export function visibleLines(text, longest = 4000) {
  return String(text).slice(0, longest).split(/\r?\n/).map((line) => line.split('\t').map((part) => visible(part, longest)).join('\t')).join('\n');
}

/**
 * @param {string|null|undefined} reason why a trial ended as it did; of a traceback, the exception
 * @param {number} [longest]
 * @returns {string} one line
 */
export function reasonLine(reason, longest = 140) {
  const lines = String(reason ?? '').slice(0, 20_000).split(/\r?\n/).map((line) => line.trim()).filter(Boolean);
  const line = /^Traceback\b/.test(lines[0] ?? '') ? lines.at(-1) : lines[0];
  return visible(line ?? '', longest);
}

/**
 * @param {number} x
 * @param {number} [digits] significant digits; the integer part is never rounded
 * @returns {string}
 */
export function formatNumber(x, digits = 4) {
  if (!Number.isFinite(x)) return '';
  if (Number.isInteger(x) && Math.abs(x) < 1e15) return String(x);
  const size = Math.abs(x);
  if (size >= 1e9 || size < 1e-4) return shortExponent(x, digits);
  const whole = size >= 1 ? Math.floor(Math.log10(size)) + 1 : 0;
  return String(Number(x.toPrecision(Math.max(digits, whole + 1))));
}

/**
 * @param {Value|undefined} value
 * @param {Column|{type: string}|null} [column]
 * @param {number} [digits]
 * @returns {string} as shown in the table: `128`, `1.0` for floats, `true` unlike `"true"`; empty for none
 */
export function formatValue(value, column = null, digits = 4) {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') {
    const text = formatNumber(value, digits);
    return column?.type === 'float' && /^-?\d+$/.test(text) ? `${text}.0` : text;
  }
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'object' && typeof value.int === 'string') return visible(value.int);
  return visible(JSON.stringify(value));
}

/**
 * @param {Value|undefined} value
 * @returns {string} every digit; empty for none
 */
export function exactValue(value) {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : '';
  return formatValue(value);
}

/**
 * @param {number|null|undefined} seconds
 * @returns {string} `42 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`
 */
export function formatDuration(seconds) {
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 0) return '';
  if (seconds < 9.95) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return two(Math.floor(whole / 60), 'min', whole % 60, 's');
  const minutes = Math.round(whole / 60);
  if (minutes < 1440) return two(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
  const hours = Math.round(minutes / 60);
  return two(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

/**
 * @param {string|null|undefined} iso
 * @returns {string} local date and time, to the minute
 */
export function formatTime(iso) {
  const time = iso ? new Date(iso) : null;
  if (!time || Number.isNaN(time.getTime())) return '';
  /** @param {number} n */
  const pad = (n) => String(n).padStart(2, '0');
  return `${time.getFullYear()}-${pad(time.getMonth() + 1)}-${pad(time.getDate())} ${pad(time.getHours())}:${pad(time.getMinutes())}`;
}

/** @param {string|null|undefined} state @returns {string} the state's word */
export function stateWord(state) {
  const key = String(state ?? '').toLowerCase();
  return Object.hasOwn(STATES, key) ? STATES[key] : visible(key, 20) || 'unknown';
}

/** @param {string|null|undefined} state @returns {string} one of the five states, or `unknown`: for colours */
export function stateKey(state) {
  const word = stateWord(state);
  if (word === 'failed') return 'fail';
  return Object.hasOwn(STATES, word) ? word : 'unknown';
}

/** @param {string|null|undefined} cause @returns {string} the cause in words; empty for none */
export function causeWord(cause) {
  if (!cause) return '';
  return Object.hasOwn(CAUSES, cause) ? CAUSES[cause] : visible(cause, 60);
}

/** @param {string} text @returns {string} text, quoted if it looks like another type */
function quoted(text) {
  const shown = visible(text);
  const other = text === '' || text !== text.trim() || /^(true|false|null|none|nan|[+-]?inf(inity)?|[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)$/i.test(text);
  return other ? `"${shown}"` : shown;
}

/** @param {number} x @param {number} digits @returns {string} `1.2e-7` */
function shortExponent(x, digits) {
  const [mantissa = '0', power = '+0'] = x.toExponential(digits - 1).split('e');
  return x === 0 ? '0' : `${Number(mantissa)}e${power.replace('+', '')}`;
}

/** @param {number} a @param {string} unit @param {number} b @param {string} smaller @returns {string} */
function two(a, unit, b, smaller) {
  return b ? `${a} ${unit} ${b} ${smaller}` : `${a} ${unit}`;
}
