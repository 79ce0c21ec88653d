/** Which trials no other trial beats in all metrics (the Pareto front). */

/**
 * @param {(number | null)[][]} rows One per trial with one value per metric; null: no value.
 * @param {boolean[]} maximize One per metric.
 * @returns {number[]} Indices of the trials on the front, ascending; trials without a value never.
 */
export function paretoFront(rows, maximize) {
  const costs = rows.map((row, index) => ({
    index,
    cost: row.every((value) => value !== null) ? row.map((value, metric) => (maximize[metric] ? -Number(value) : Number(value))) : null,
  }));
  const whole = /** @type {{index: number, cost: number[]}[]} */ (costs.filter((entry) => entry.cost !== null));
  // In lexicographic order no point dominates an earlier one, so one pass suffices.
  whole.sort((a, b) => compared(a.cost, b.cost));
  /** @type {{index: number, cost: number[]}[]} */
  const front = [];
  if (maximize.length === 2) return sweep(whole).sort((a, b) => a - b);
  for (const entry of whole) if (!front.some((other) => dominates(other.cost, entry.cost))) front.push(entry);
  return front.map((entry) => entry.index).sort((a, b) => a - b);
}

/**
 * Two metrics: a point that is no better in the second than all earlier ones is dominated.
 * @param {{index: number, cost: number[]}[]} sorted
 */
function sweep(sorted) {
  const front = [];
  /** @type {number[] | null} */
  let last = null;
  for (const { index, cost } of sorted) {
    if (last !== null && cost[1] >= last[1] && compared(cost, last) !== 0) continue;
    front.push(index);
    last = cost;
  }
  return front;
}

/**
 * @param {number[]} a
 * @param {number[]} b
 */
function compared(a, b) {
  for (let metric = 0; metric < a.length; metric += 1) if (a[metric] !== b[metric]) return a[metric] - b[metric];
  return 0;
}

/**
 * @param {number[]} a
 * @param {number[]} b
 */
function dominates(a, b) {
  return a.every((cost, metric) => cost <= b[metric]) && a.some((cost, metric) => cost < b[metric]);
}
