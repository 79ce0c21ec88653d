/** Brushes: the part of an axis that a trial must cross to be kept. */

/** Minimum size; a smaller one is accidental. */
const LEAST = 0.012;
const STEP = 0.05;
const EDGE = 0.002;

/**
 * @typedef {object} Brush
 * @property {number} from 0 to 1, below `to`.
 * @property {number} to
 */

/**
 * A brush within the axis, from below to above.
 * @param {number} a
 * @param {number} b
 * @returns {Brush | null} null if it is too small to be intended
 */
export function brushOf(a, b) {
  const from = Math.min(1, Math.max(0, Math.min(a, b)));
  const to = Math.min(1, Math.max(0, Math.max(a, b)));
  return to - from < LEAST ? null : { from, to };
}

/**
 * Which trials cross every brush.
 * @param {import("./axes.js").Axis[]} axes
 * @param {ReadonlyMap<string, Brush>} brushes By axis key.
 * @param {Uint8Array} into One per trial; 1: crosses all.
 * @param {Uint8Array | null} within Trials that match the rest of the search; null: all.
 * @returns {number} how many do
 */
export function select(axes, brushes, into, within) {
  const active = axes.flatMap((axis) => {
    const brush = brushes.get(axis.key);
    return brush ? [{ places: axis.places, from: brush.from - 1e-6, to: brush.to + 1e-6 }] : [];
  });
  let count = 0;
  for (let index = 0; index < into.length; index += 1) {
    let kept = within === null ? 1 : within[index];
    for (let place = 0; kept && place < active.length; place += 1) {
      const at = active[place].places[index];
      if (at < active[place].from || at > active[place].to) kept = 0;
    }
    into[index] = kept;
    count += kept;
  }
  return count;
}

/**
 * A brush after a key was pressed.
 * @param {Brush | null} brush
 * @param {string} key Of the keyboard event.
 * @param {"whole" | "upper" | "lower"} part Which part of the brush an arrow moves.
 * @param {number} around Where a new brush begins, such as the best trial's place.
 * @returns {Brush | null | undefined} undefined: the key has no function here
 */
export function keyed(brush, key, part, around) {
  if (key === "Escape" || key === "Delete" || key === "Backspace") return null;
  if (key === "Enter" || key === " ") return brush ? null : brushOf(around - 0.1, around + 0.1);
  const direction = { ArrowUp: 1, ArrowDown: -1, PageUp: 4, PageDown: -4 }[key];
  if (direction === undefined && key !== "Home" && key !== "End") return undefined;
  const held = brush ?? brushOf(around - 0.1, around + 0.1) ?? { from: 0.4, to: 0.6 };
  if (key === "Home") return { from: 0, to: part === "whole" ? held.to - held.from : held.to };
  if (key === "End") return { from: part === "whole" ? 1 - (held.to - held.from) : held.from, to: 1 };
  const by = STEP * Number(direction);
  if (part === "upper") return brushOf(held.from, Math.max(held.from + LEAST * 2, held.to + by)) ?? held;
  if (part === "lower") return brushOf(Math.min(held.to - LEAST * 2, held.from + by), held.to) ?? held;
  const shifted = Math.min(1 - held.to, Math.max(-held.from, by));
  return { from: held.from + shifted, to: held.to + shifted };
}

/**
 * What a brush keeps, in words for a screen reader.
 * @param {import("./axes.js").Axis} axis
 * @param {Brush | null} brush
 * @param {(value: number) => string} short
 * @returns {string}
 */
export function inWords(axis, brush, short) {
  if (!brush) return "all values";
  const { scale } = axis;
  const parts = [];
  if (scale.absent !== null && brush.from <= scale.absent) parts.push(scale.absentText);
  if (scale.kind === "choices") {
    parts.push(...scale.ticks.filter((tick) => tick.at >= brush.from && tick.at <= brush.to).map((tick) => tick.text));
    return parts.join(", ") || "none of the choices";
  }
  if (brush.to > scale.floor) parts.push(`${short(scale.value(brush.from))} to ${short(scale.value(brush.to))}`);
  return parts.join(", ") || "no value";
}

/**
 * @param {Brush} brush
 * @param {import("../scales.js").Scale} scale
 */
export function ends(brush, scale) {
  return { bottom: brush.from <= scale.floor + EDGE, top: brush.to >= 1 - EDGE, absent: scale.absent !== null && brush.from <= scale.absent };
}
