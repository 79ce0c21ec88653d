/**
 * The search as text: its terms, and how a header's filter writes into it.
 *
 * The server interprets the terms; here they are only split.
 */

/**
 * @typedef {object} Term
 * @property {number} at
 * @property {number} length
 * @property {string} name empty for a bare word
 * @property {string} operator one of = != > >= < <= and `:`; empty for a bare word
 * @property {string} value without its quotes
 * @property {boolean} negated
 */

const TERM = /(-)?(?:("(?:[^"\\]|\\.)*"|[^\s"=!<>:]+)(!=|>=|<=|=|>|<|:)((?:"(?:[^"\\]|\\.)*"?|[^\s"])*)|("(?:[^"\\]|\\.)*"?|\S+))/g;

/** @param {string} query @returns {Term[]} */
export function terms(query) {
  return [...query.matchAll(TERM)].map((match) => ({
    at: match.index,
    length: match[0].length,
    negated: match[1] === '-',
    name: unquote(match[2] ?? ''),
    operator: match[3] ?? '',
    value: unquote(match[4] ?? match[5] ?? ''),
  }));
}

/**
 * @param {string} query
 * @param {string} name a column's name
 * @param {string[]} replacement terms that replace all terms with this name; none removes them
 * @returns {string}
 */
export function replaceTerms(query, name, replacement) {
  const kept = terms(query).filter((term) => term.operator === '' || term.name !== name);
  return [...kept.map((term) => query.slice(term.at, term.at + term.length)), ...replacement].join(' ');
}

/** @param {string} query @param {string} name @returns {Term[]} */
export function termsOf(query, name) {
  return terms(query).filter((term) => term.operator !== '' && term.name === name);
}

/**
 * @param {string} name
 * @param {string} operator
 * @param {string} value
 * @param {boolean} [text] whether the value is a string, so that `"true"` is not taken for `true`
 * @returns {string} a term, quoted if necessary
 */
export function term(name, operator, value, text = false) {
  return `${quoted(name)}${operator}${quoted(value, text)}`;
}

/** @param {import('./types.js').Column} column @returns {string} a column's name in the search */
export function searchName(column) {
  return column.label && column.group !== 'fact' ? column.label : column.key;
}

/**
 * @param {string} text a name or a value
 * @param {boolean} [strict] whether it must not be taken for a number or a boolean
 * @returns {string} quoted if necessary
 */
export function quoted(text, strict = false) {
  const plain = /^[^\s"=!<>:\\-][^\s"=!<>:\\]*$/.test(text) || /^-[\d.]/.test(text);
  const other = strict && /^(true|false|null|none|nan|[+-]?inf(inity)?|[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)$/i.test(text);
  return plain && !other ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** @param {string} text @returns {string} */
function unquote(text) {
  if (!text.startsWith('"')) return text;
  const inside = text.length > 1 && text.endsWith('"') ? text.slice(1, -1) : text.slice(1);
  return inside.replace(/\\(.)/g, '$1');
}
