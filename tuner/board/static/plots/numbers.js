/** Numbers in responses, as numbers and as short text. */

/**
 * A finite number, or null: absent values, text, and numbers beyond a float are null.
 * @param {unknown} value A JSON value; integers above 2^53 come as {"int": "…"}.
 * @returns {number | null}
 */
export function numberOf(value) {
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value === "object" && value !== null && "int" in value) {
    const number = Number(/** @type {{int: unknown}} */ (value).int);
    return Number.isFinite(number) ? number : null;
  }
  return null;
}

/**
 * At most `digits` significant digits, without zeros at the end.
 * @param {number} value
 * @param {number} [digits]
 * @returns {string} such as "0.001408", "128", "1e-5", "2.5e6".
 */
export function short(value, digits = 4) {
  if (!Number.isFinite(value)) return "none";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return String(value);
  if (size >= 1e6 || size < 1e-4) {
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    return `${Number(mantissa)}e${Number(exponent)}`;
  }
  return String(Number(value.toPrecision(digits)));
}

/**
 * A value of a parameter in words, never longer than `limit` characters.
 * @param {unknown} value
 * @param {number} [limit]
 * @returns {string}
 */
export function textOf(value, limit = 40) {
  if (value === null || value === undefined) return "inactive";
  if (typeof value === "number") return Number.isInteger(value) && Math.abs(value) < 1e15 ? String(value) : short(value, 6);
  const text =
    typeof value === "object" && "int" in value
      ? String(/** @type {{int: unknown}} */ (value).int)
      : typeof value === "string"
        ? value
        : JSON.stringify(value);
  return clipped(text, limit);
}

/**
 * @param {string} text
 * @param {number} limit
 * @returns {string}
 */
export function clipped(text, limit) {
  return text.length > limit ? `${text.slice(0, limit - 1)}…` : text;
}

/**
 * A fraction as per cent; a positive one is never "0 %".
 * @param {unknown} share 0 to 1.
 * @returns {string}
 */
export function percent(share) {
  const number = numberOf(share);
  if (number === null) return "unknown";
  if (number > 0 && number < 0.01) return "< 1 %";
  return `${Math.round(number * 100)} %`;
}

/**
 * "1 trial", "5 000 trials": singular or plural.
 * @param {number} count
 * @param {string} noun
 * @returns {string}
 */
export function counted(count, noun) {
  const digits = String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return `${digits} ${noun}${count === 1 ? "" : "s"}`;
}
