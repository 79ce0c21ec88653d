/** Brushes as words of the search language, and back, so that a link reproduces them. */

import { quoted, term, terms } from "../../query_text.js";
import { numberOf } from "../numbers.js";
import { identity } from "../scales.js";
import { brushOf, ends } from "./brushes.js";

/**
 * The search term for a choice.
 * @param {string} name as the axis has it
 * @param {unknown} value
 * @returns {string}
 */
function equal(name, value) {
  const text = typeof value === "object" && value !== null && "int" in value ? String(/** @type {any} */ (value).int) : String(value);
  return term(name, "=", text, typeof value === "string");
}

/**
 * A bound with four digits, rounded outwards so that no kept trial is lost.
 * @param {number} value
 * @param {boolean} up
 * @returns {number}
 */
export function rounded(value, up) {
  if (value === 0 || !Number.isFinite(value)) return value;
  const power = 10 ** (3 - Math.floor(Math.log10(Math.abs(value))));
  if (!Number.isFinite(power)) return value;
  return Number(((up ? Math.ceil(value * power - 1e-9) : Math.floor(value * power + 1e-9)) / power).toPrecision(6));
}

/**
 * A number as a person writes it: 4.19e-5, not 0.0000419.
 * @param {number} value
 * @returns {string}
 */
function literal(value) {
  return value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential() : String(value);
}

/**
 * A brush in the search language.
 * @param {import("./axes.js").Axis} axis
 * @param {import("./brushes.js").Brush} brush
 * @returns {string[]} terms; none if the brush keeps everything
 */
export function termsOf(axis, brush) {
  const { scale } = axis;
  const name = quoted(axis.key);
  const at = ends(brush, scale);
  const without = scale.absent !== null && !at.absent ? [`-${name}:inactive`] : [];
  if (brush.to <= scale.floor) return [`${name}:inactive`];
  if (scale.kind === "choices") {
    const kept = scale.choices.filter((_, index) => scale.ticks[index].at >= brush.from && scale.ticks[index].at <= brush.to);
    if (kept.length === 1 && !at.absent) return [equal(axis.key, kept[0])];
    if (kept.length === 0) return [`${name}:inactive`];
    return [...scale.choices.filter((value) => !kept.includes(value)).map((value) => `-${equal(axis.key, value)}`), ...without];
  }
  const low = literal(rounded(scale.value(brush.from), false));
  const high = literal(rounded(scale.value(brush.to), true));
  if (at.absent) return at.top ? [] : [`-${name}>${high}`];
  const bounds = [...(at.bottom ? [] : [`${name}>=${low}`]), ...(at.top ? [] : [`${name}<=${high}`])];
  return bounds.length ? bounds : without;
}

/**
 * The brushes in a search, and the remaining words.
 * @param {string} search
 * @param {import("./axes.js").Axis[]} axes
 * @returns {{brushes: Map<string, import("./brushes.js").Brush>, rest: string}}
 */
export function read(search, axes) {
  /** @type {Map<string, import("./brushes.js").Brush>} */
  const brushes = new Map();
  /** @type {string[]} */
  const rest = [];
  const left = new Map(axes.map((axis) => [axis, /** @type {Term[]} */ ([])]));
  for (const { at, length, name, operator, value, negated } of terms(search)) {
    const word = search.slice(at, at + length);
    const axis = operator ? axes.find((other) => other.key === name) : undefined;
    if (axis) left.get(axis)?.push({ not: negated, operator, value, word });
    else rest.push(word);
  }
  for (const [axis, found] of left) {
    const brush = found.length ? understood(axis, found) : null;
    if (brush) brushes.set(axis.key, brush);
    else rest.push(...found.map(({ word }) => word));
  }
  return { brushes, rest: rest.join(" ") };
}

/**
 * The search with these brushes instead of its present ones.
 * @param {string} search
 * @param {import("./axes.js").Axis[]} axes
 * @param {ReadonlyMap<string, import("./brushes.js").Brush>} brushes
 * @returns {string}
 */
export function written(search, axes, brushes) {
  const { rest } = read(search, axes);
  const found = axes.flatMap((axis) => {
    const brush = brushes.get(axis.key);
    return brush ? termsOf(axis, brush) : [];
  });
  return [...(rest ? [rest] : []), ...found].join(" ");
}

/**
 * @typedef {object} Term
 * @property {boolean} not
 * @property {string} operator
 * @property {string} value
 * @property {string} word
 */

/**
 * The brush equivalent to the terms of one axis; null if a single brush cannot express them.
 * @param {import("./axes.js").Axis} axis
 * @param {Term[]} found
 * @returns {import("./brushes.js").Brush | null}
 */
function understood(axis, found) {
  const { scale } = axis;
  if (scale.kind === "choices") return choicesOf(axis, found);
  let from = 0;
  let to = 1;
  let absent = scale.absent !== null;
  for (const { not, operator, value } of found) {
    const number = numberOf(value === "" ? null : Number(value));
    if (operator === ":" && value === "inactive") {
      if (!not) return scale.absent === null ? null : { from: 0, to: scale.floor * 0.5 };
      absent = false;
      continue;
    }
    if (number === null) return null;
    if ((operator === ">=" && !not) || (operator === "<" && not)) from = Math.max(from, scale.place(number));
    else if ((operator === "<=" && !not) || (operator === ">" && not)) to = Math.min(to, scale.place(number));
    else return null;
    if (!not) absent = false;
  }
  if (scale.absent !== null && absent && from > scale.floor) return null;
  return brushOf(absent ? 0 : Math.max(from, scale.floor && scale.floor - 0.01), to);
}

/**
 * @param {import("./axes.js").Axis} axis
 * @param {Term[]} found
 * @returns {import("./brushes.js").Brush | null}
 */
function choicesOf(axis, found) {
  const { scale } = axis;
  const named = new Map(scale.choices.map((choice, index) => [equal(axis.key, choice), index]));
  let kept = new Set(scale.choices.map(identity));
  let absent = scale.absent !== null;
  for (const { not, operator, value, word } of found) {
    if (operator === ":" && value === "inactive") {
      if (not) absent = false;
      else kept = new Set();
      continue;
    }
    const index = named.get(word.slice(not ? 1 : 0));
    if (index === undefined) return null;
    const choice = identity(scale.choices[index]);
    if (not) kept.delete(choice);
    else {
      kept = new Set(kept.has(choice) ? [choice] : []);
      absent = false;
    }
  }
  const half = scale.choices.length ? (0.45 * (1 - scale.floor)) / scale.ticks.length : 0;
  const at = scale.ticks.filter((_, index) => index < scale.choices.length && kept.has(identity(scale.choices[index]))).map((tick) => tick.at);
  const within = scale.ticks.filter((tick) => tick.at >= Math.min(...at) && tick.at <= Math.max(...at)).length;
  if (at.length === 0) return absent ? { from: 0, to: scale.floor * 0.5 } : null;
  const whole = within === at.length && (!absent || at[0] === scale.ticks[0].at);
  return whole ? brushOf(absent ? 0 : at[0] - half, at[at.length - 1] + half) : null;
}
