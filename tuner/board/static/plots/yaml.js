/** A range as written in a study's spec. */

import { numberOf } from "./numbers.js";

/**
 * The line in `search_space` for a wider range.
 * @param {any} edge An entry of the advice: {name, low, high, try: {low, high, log}}.
 * @param {string} [type] Of the parameter's column; by default "float".
 * @returns {string | null} null if there is no range to try
 */
export function rangeYaml(edge, type = "float") {
  const low = numberOf(edge?.try?.low);
  const high = numberOf(edge?.try?.high);
  if (low === null || high === null || !(low < high)) return null;
  const whole = type === "int" && Number.isInteger(low) && Number.isInteger(high);
  const number = (/** @type {number} */ value) => (whole ? String(value) : floatText(value));
  return `${keyText(String(edge.name))}: {type: ${whole ? "int" : "float"}, low: ${number(low)}, high: ${number(high)}${edge.try.log === true ? ", log: true" : ""}}`;
}

/**
 * A float that every YAML reader recognizes: some read 1e-5 as text.
 * @param {number} value
 * @returns {string}
 */
function floatText(value) {
  const text = value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential() : String(value);
  if (!text.includes("e")) return text.includes(".") ? text : `${text}.0`;
  const [mantissa, exponent] = text.split("e");
  return `${mantissa.includes(".") ? mantissa : `${mantissa}.0`}e${exponent.startsWith("-") ? exponent : `+${exponent.replace("+", "")}`}`;
}

/**
 * A key as YAML; quoted if it is not a plain name.
 * @param {string} name
 * @returns {string}
 */
function keyText(name) {
  return /^[A-Za-z_][\w.-]*$/.test(name) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(name) ? name : JSON.stringify(name);
}
