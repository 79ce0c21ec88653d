/** Where an axis has its ticks. */

import { short } from "./numbers.js";

/**
 * Round numbers within a range, steps of 1, 2 or 5 times a power of ten.
 * @param {number} low
 * @param {number} high Not below `low`.
 * @param {number} [count] Approximate number; at least 2.
 * @returns {number[]} ascending, within [low, high]; [low] if the range is a point.
 */
export function linearTicks(low, high, count = 5) {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [low];
  const raw = span / Math.max(1, count - 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  const steps = [1, 2, 5, 10].map((factor) => factor * power);
  const fits = (/** @type {number} */ step) => Math.floor(high / step + 1e-9) - Math.ceil(low / step - 1e-9) >= 2;
  // At least two ticks besides the first, otherwise a range looks like a point.
  const step = steps.find((one) => one >= raw * 0.999 && fits(one)) ?? steps.findLast(fits) ?? power / 10;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const ticks = [];
  for (let index = first; index <= last && ticks.length < 50; index += 1) ticks.push(Number((index * step).toPrecision(12)));
  return ticks.length ? ticks : [low];
}

/**
 * Powers of ten within a range; 1, 2 and 5 times them if there are fewer than three.
 * @param {number} low Above 0.
 * @param {number} high
 * @param {number} [count]
 * @returns {number[]}
 */
export function logTicks(low, high, count = 6) {
  if (!(low > 0) || !(high > low)) return [low];
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const within = (/** @type {number} */ tick) => tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9);
  const every = Math.max(1, Math.ceil((last - first) / Math.max(1, count)));
  const decades = [];
  for (let power = first; power <= last; power += every) decades.push(Number(`1e${power}`));
  const whole = decades.filter(within);
  if (whole.length > 2) return whole;
  const finer = [];
  for (let power = first; power <= last; power += 1) {
    for (const factor of [1, 2, 5]) finer.push(Number(`${factor}e${power}`));
  }
  const fine = finer.filter(within);
  return fine.length > 1 ? fine : linearTicks(low, high, count);
}

/**
 * Ticks with their labels.
 * @param {number} low
 * @param {number} high
 * @param {boolean} log
 * @param {number} [count]
 * @returns {{value: number, text: string}[]}
 */
export function labelled(low, high, log, count) {
  const ticks = log ? logTicks(low, high, count) : linearTicks(low, high, count);
  return ticks.map((value) => ({ value, text: short(value) }));
}
