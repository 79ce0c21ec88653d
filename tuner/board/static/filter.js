/** The filter of one column. It writes terms into the search, where the filter stays visible. */
import { button, el } from './dom.js';
import { formatValue, stateWord } from './format.js';
import { columnName } from './grid/head.js';
import { openPopover } from './popover.js';
import { replaceTerms, searchName, term, termsOf } from './query_text.js';

/** @typedef {import('./types.js').Column} Column */
/** @typedef {import('./types.js').Value} Value */

const STATES = ['complete', 'pruned', 'fail', 'running', 'waiting'];
const MOST_VALUES = 40;

/**
 * @param {import('./store.js').Store} store
 * @param {Column} column
 * @param {HTMLElement} anchor
 */
export function openFilter(store, column, anchor) {
  const name = searchName(column);
  const { table, view } = store.state;
  const title = columnName(column, table?.metric ?? null);
  openPopover(anchor, `Filter ${title}`, (close) => {
    /** @param {string[]} terms */
    const apply = (terms) => {
      store.look({ query: replaceTerms(store.state.view.query, name, terms) });
      close();
    };
    const { body, read } = control(column, name, view.query);
    const form = el('form', { class: 'bt-filter', on: { submit: (event) => { event.preventDefault(); apply(read()); } } },
      el('strong', {}, title), ...body,
      el('div', { class: 'bt-buttons' }, el('button', { type: 'submit', class: 'bt-button bt-main' }, 'Filter'), button('No filter', () => apply([]), { class: 'bt-button' })));
    return [form];
  });
}

/**
 * @param {Column} column
 * @param {string} name
 * @param {string} query
 * @returns {{body: HTMLElement[], read: () => string[]}}
 */
function control(column, name, query) {
  const now = termsOf(query, name);
  if (column.key === 'state') return choices(name, STATES.map((value) => ({ value, label: stateWord(value) })), now, ':');
  const values = column.type === 'bool' ? [true, false] : (column.values ?? []);
  const known = values.slice(0, MOST_VALUES).map((value) => ({ value: /** @type {Value} */ (value), label: formatValue(value, column) }));
  if (known.length > 0 && column.type !== 'float') return choices(name, known, now, '=');
  return ['int', 'float'].includes(column.type) ? range(column, name, now) : contains(name, now);
}

/**
 * @param {string} name
 * @param {{value: Value, label: string}[]} known
 * @param {import('./query_text.js').Term[]} now
 * @param {string} operator
 */
function choices(name, known, now, operator) {
  const only = now.filter((one) => !one.negated && one.operator !== '!=').map((one) => one.value);
  const not = now.filter((one) => one.negated || one.operator === '!=').map((one) => one.value);
  const boxes = known.map(({ value, label }) => {
    const plain = plainText(value);
    const checked = only.length > 0 ? only.includes(plain) : !not.includes(plain);
    return { value, plain, label, box: /** @type {HTMLInputElement} */ (el('input', { type: 'checkbox', checked })) };
  });
  const read = () => {
    const on = boxes.filter((one) => one.box.checked);
    const off = boxes.filter((one) => !one.box.checked);
    if (off.length === 0 || on.length === 0) return [];
    /** @param {typeof on[number]} one @param {string} sign */
    const write = (one, sign) => sign + term(name, operator, one.plain, typeof one.value === 'string' && operator === '=');
    return on.length === 1 ? on.map((one) => write(one, '')) : off.map((one) => write(one, '-'));
  };
  return { body: boxes.map((one) => el('label', { class: 'bt-check' }, one.box, ` ${one.label}`)), read };
}

/** @param {Value} value @returns {string} as written in the search: complete, in its syntax */
function plainText(value) {
  return typeof value === 'object' && value !== null ? String(value.int) : String(value);
}

/** @param {Column} column @param {string} name @param {import('./query_text.js').Term[]} now */
function range(column, name, now) {
  /** @param {string} operator @param {Value|undefined} hint @param {string} label */
  const field = (operator, hint, label) => {
    const value = now.find((one) => one.operator.startsWith(operator))?.value ?? '';
    const input = el('input', { type: 'text', inputmode: 'decimal', placeholder: formatValue(hint) || 'any', value, pattern: String.raw`[\-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][\-+]?[0-9]+)?`, title: 'a number, such as 64, 0.5 or 1e-4' });
    return { input, label: el('label', { class: 'bt-field' }, el('span', {}, label), input) };
  };
  const low = field('>', column.low, 'at least');
  const high = field('<', column.high, 'at most');
  const read = () => [['>=', low.input.value], ['<=', high.input.value]].filter(([, value]) => value?.trim()).map(([operator = '', value = '']) => term(name, operator, value.trim()));
  return { body: [low.label, high.label], read };
}

/** @param {string} name @param {import('./query_text.js').Term[]} now */
function contains(name, now) {
  const input = el('input', { type: 'text', value: now[0]?.value ?? '' });
  return { body: [el('label', { class: 'bt-field' }, el('span', {}, 'contains'), input)], read: () => (input.value.trim() ? [term(name, ':', input.value.trim())] : []) };
}
