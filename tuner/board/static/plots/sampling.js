/** Selects fewer points if a plot would be slow with all of them. */

/**
 * Evenly spaced indices, plus those to keep in any case.
 * @param {number} count Number of indices.
 * @param {number} limit Maximum number returned, besides those kept.
 * @param {Iterable<number>} [kept] Indices that must be included.
 * @returns {number[]} ascending
 */
export function thinned(count, limit, kept = []) {
  const chosen = new Set(kept);
  if (count <= limit) return Array.from({ length: count }, (_, index) => index);
  for (let part = 0; part < limit; part += 1) chosen.add(Math.floor((part * count) / limit));
  return [...chosen].filter((index) => index >= 0 && index < count).sort((a, b) => a - b);
}

/**
 * Indices of the best values.
 * @param {ArrayLike<number | null>} values
 * @param {boolean} maximize
 * @param {number} count
 * @returns {number[]} best first; ties by the lower index; absent values are left out
 */
export function bestIndices(values, maximize, count) {
  const present = [];
  for (let index = 0; index < values.length; index += 1) if (values[index] !== null) present.push(index);
  const sign = maximize ? -1 : 1;
  present.sort((a, b) => sign * (Number(values[a]) - Number(values[b])) || a - b);
  return present.slice(0, count);
}

/**
 * The best value so far at each place.
 * @param {ArrayLike<number | null>} values in the order of the trials; null: no value
 * @param {boolean} maximize
 * @returns {{best: (number | null)[], gains: number[]}} gains: indices where it improved
 */
export function bestSoFar(values, maximize) {
  /** @type {(number | null)[]} */
  const best = [];
  const gains = [];
  /** @type {number | null} */
  let leader = null;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index];
    if (value !== null && (leader === null || (maximize ? value > leader : value < leader))) {
      leader = value;
      gains.push(index);
    }
    best.push(leader);
  }
  return { best, gains };
}

/**
 * A number between -0.5 and 0.5 that is the same in each drawing (separates the points of one choice).
 * @param {number} seed
 * @returns {number}
 */
export function jitter(seed) {
  let mixed = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 4294967296 - 0.5;
}
