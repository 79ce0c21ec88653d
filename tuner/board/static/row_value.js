/** A trial's value in a column. */

/** @typedef {import('./types.js').Column} Column */
/** @typedef {import('./types.js').Row} Row */
/** @typedef {import('./types.js').Value} Value */

/**
 * @param {Column} column
 * @param {Row} row
 * @returns {Value|undefined} undefined if the trial has no such parameter or metric
 */
export function rowValue(column, row) {
  const { key } = column;
  if (column.group === 'param') return own(row.params, key.replace(/^params\./, ''));
  if (column.group === 'metric') return own(row.metrics, key.replace(/^metrics\./, ''));
  return /** @type {any} */ (row)[key];
}

/**
 * A log may call a parameter `__proto__` or `constructor`: properties that every object inherits are not values.
 * @param {Record<string, Value>|undefined} values
 * @param {string} name
 * @returns {Value|undefined}
 */
function own(values, name) {
  return values && Object.hasOwn(values, name) ? values[name] : undefined;
}
