/**
 * Maps a column's values to places between 0 and 1, the same for slices and for parallel
 * coordinates. Trials without the value have a place of their own, so no plot loses them.
 */

import { clipped, numberOf, textOf } from "./numbers.js";
import { labelled } from "./ticks.js";

/** Place of trials without the value, and where the values then begin, by default. */
const ABSENT = 0.02;
const FLOOR = 0.14;
/** Choices beyond this number share one place. */
const MOST_CHOICES = 30;

/**
 * @typedef {object} Tick
 * @property {number} at 0 to 1.
 * @property {string} text
 *
 * @typedef {object} Scale
 * @property {"linear" | "log" | "choices"} kind
 * @property {(value: unknown) => number} place 0 to 1; `absent` where there is no value.
 * @property {(at: number) => number} value The number at a place (linear and log).
 * @property {Tick[]} ticks Without the one for absent values.
 * @property {number | null} absent Place of trials without the value; null where all have one.
 * @property {string} absentText
 * @property {number} floor Where the values begin.
 * @property {unknown[]} choices
 * @property {number} low
 * @property {number} high
 *
 * @typedef {object} Options
 * @property {boolean} [robust] Far outliers lie at the edge.
 * @property {number} [count] About so many ticks.
 * @property {number} [absent] Place of trials without the value.
 * @property {number} [floor] Where the values begin if some trials have none.
 */

/**
 * A scale for the values of one column.
 * @param {import("./types.js").Column} column
 * @param {ArrayLike<unknown>} values One per trial.
 * @param {Options} [options]
 * @returns {Scale}
 */
export function scaleOf(column, values, options = {}) {
  const absentText = column.group === "param" ? "inactive" : "none";
  const seen = summary(values);
  const nowhere = options.absent ?? ABSENT;
  const floor = seen.absent ? (options.floor ?? FLOOR) : 0;
  const base = { absent: seen.absent ? nowhere : null, absentText, floor };
  const declared = Array.isArray(column.values) && column.values.length > 0 && column.values.length <= MOST_CHOICES;
  if (declared || seen.other > 0 || (seen.numbers.length === 0 && column.type !== "float" && column.type !== "int")) {
    return { ...base, ...choiceScale(declared ? /** @type {unknown[]} */ (column.values) : [], values, floor, nowhere) };
  }
  return { ...base, ...numberScale(column, seen.numbers, floor, nowhere, options) };
}

/** @param {ArrayLike<unknown>} values */
function summary(values) {
  const numbers = [];
  let absent = 0;
  let other = 0;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index];
    const number = numberOf(value);
    if (number !== null) numbers.push(number);
    else if (value === null || value === undefined || typeof value === "number") absent += 1;
    else other += 1;
  }
  return { numbers, absent, other };
}

/**
 * @param {import("./types.js").Column} column
 * @param {number[]} numbers
 * @param {number} floor
 * @param {number} nowhere Place of values that are not numbers.
 * @param {Options} options
 */
function numberScale(column, numbers, floor, nowhere, options) {
  let [low, high] = options.robust ? withoutOutliers(numbers) : extent(numbers);
  const declaredLow = numberOf(column.low);
  const declaredHigh = numberOf(column.high);
  if (declaredLow !== null) low = Math.min(low, declaredLow);
  if (declaredHigh !== null) high = Math.max(high, declaredHigh);
  if (!(low <= high)) [low, high] = [0, 1];
  const log = low > 0 && high > low && (column.log === true || (declaredLow === null && spreads(numbers, low, high)));
  const [from, to] = log ? [Math.log(low), Math.log(high)] : [low, high];
  const span = to - from;
  const share = (/** @type {number} */ number) => (span > 0 ? ((log ? Math.log(number) : number) - from) / span : 0.5);
  const place = (/** @type {unknown} */ value) => {
    const number = numberOf(value);
    if (number === null) return nowhere;
    const part = log && number <= 0 ? 0 : share(number);
    return floor + (1 - floor) * Math.min(1, Math.max(0, part));
  };
  const value = (/** @type {number} */ at) => {
    const part = from + Math.min(1, Math.max(0, (at - floor) / (1 - floor))) * span;
    return log ? Math.exp(part) : part;
  };
  const ticks = labelled(low, high, log, options.count).map((tick) => ({ at: place(tick.value), text: tick.text }));
  return { kind: /** @type {"linear" | "log"} */ (log ? "log" : "linear"), place, value, ticks, choices: [], low, high };
}

/**
 * Whether values of a range that nobody declared want a log scale: over two decades, most of them
 * in the lowest tenth, as a learning rate's in a log of another tool.
 * @param {number[]} numbers
 * @param {number} low Above 0.
 * @param {number} high
 */
function spreads(numbers, low, high) {
  return high / low >= 100 && numbers.filter((number) => number < high / 10).length > numbers.length / 2;
}

/**
 * @param {unknown[]} declared
 * @param {ArrayLike<unknown>} values
 * @param {number} floor
 * @param {number} nowhere Place of values that are not choices.
 */
function choiceScale(declared, values, floor, nowhere) {
  /** @type {Map<string, {choice: unknown, count: number}>} */
  const found = new Map(declared.map((choice) => [identity(choice), { choice, count: Infinity }]));
  for (let index = 0; index < values.length; index += 1) {
    const choice = values[index];
    if (choice === null || choice === undefined || (typeof choice === "number" && !Number.isFinite(choice))) continue;
    const known = found.get(identity(choice));
    if (known) known.count += 1;
    else if (found.size < 100_000) found.set(identity(choice), { choice, count: 1 });
  }
  const shown = [...found.values()].sort((a, b) => (a.count === b.count ? 0 : b.count - a.count)).slice(0, MOST_CHOICES);
  const others = found.size - shown.length;
  if (!declared.length && shown.every((entry) => numberOf(entry.choice) !== null)) {
    shown.sort((a, b) => Number(numberOf(a.choice)) - Number(numberOf(b.choice)));
  }
  const places = shown.length + (others > 0 ? 1 : 0);
  const at = (/** @type {number} */ index) => floor + (1 - floor) * (places > 1 ? (index + 0.5) / places : 0.5);
  const index = new Map(shown.map((entry, position) => [identity(entry.choice), position]));
  const place = (/** @type {unknown} */ value) => {
    if (value === null || value === undefined || (typeof value === "number" && !Number.isFinite(value))) return nowhere;
    return at(index.get(identity(value)) ?? places - 1);
  };
  const texts = toldApart(shown.map((entry) => entry.choice));
  const ticks = texts.map((text, position) => ({ at: at(position), text }));
  if (others > 0) ticks.push({ at: at(places - 1), text: clipped(`${others} others`, 18) });
  const choices = shown.map((entry) => entry.choice);
  return { kind: /** @type {"choices"} */ ("choices"), place, value: () => NaN, ticks, choices, low: NaN, high: NaN };
}

/**
 * Short texts of choices, all distinct: the ends if the beginnings are equal; `true` and "true".
 * @param {unknown[]} choices
 * @returns {string[]}
 */
function toldApart(choices) {
  const cut = choices.map((choice) => textOf(choice, 14));
  const alone = (/** @type {string} */ text) => cut.indexOf(text) === cut.lastIndexOf(text);
  return choices.map((choice, index) => {
    if (alone(cut[index])) return cut[index];
    const whole = textOf(choice, 200);
    if (whole.length > 14) return `…${whole.slice(-13)}`;
    return typeof choice === "string" ? JSON.stringify(choice) : whole;
  });
}

/**
 * The identity of a choice: `true` is not "true", 1 is 1.0.
 * @param {unknown} choice
 * @returns {string}
 */
export function identity(choice) {
  return `${typeof choice}:${typeof choice === "object" ? JSON.stringify(choice) : String(choice)}`;
}

/**
 * Minimum and maximum; [NaN, NaN] if empty.
 * @param {ArrayLike<number>} numbers
 * @returns {[number, number]}
 */
export function extent(numbers) {
  let low = Infinity;
  let high = -Infinity;
  for (let index = 0; index < numbers.length; index += 1) {
    if (numbers[index] < low) low = numbers[index];
    if (numbers[index] > high) high = numbers[index];
  }
  return low <= high ? [low, high] : [NaN, NaN];
}

/**
 * The range of all values but far outliers: a loss of 1e30 must not flatten the rest. What lies
 * farther from the middle 60 % than five times their width is left out, on either side.
 * @param {ArrayLike<number>} numbers finite
 * @returns {[number, number]}
 */
export function withoutOutliers(numbers) {
  const [low, high] = extent(numbers);
  if (numbers.length < 5) return [low, high];
  const sorted = Float64Array.from(numbers).sort();
  const lower = sorted[Math.ceil(0.2 * (sorted.length - 1))];
  const upper = sorted[Math.floor(0.8 * (sorted.length - 1))];
  const reach = 5 * (upper - lower);
  if (!(reach > 0)) return [low, high];
  const kept = sorted.filter((number) => number >= lower - reach && number <= upper + reach);
  return extent(kept);
}
