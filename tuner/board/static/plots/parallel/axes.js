/** The axes of parallel coordinates: which ones, their order, and where each trial crosses them. */

import { scaleOf } from "../scales.js";

const MOST_AXES = 40;
/** Minimum pixels between two axes, and pixels beside the outer ones. */
const GAP = 84;
const SIDE = 56;

/**
 * @typedef {object} Axis
 * @property {string} key As in the search language: a parameter's or metric's name, or "objective".
 * @property {string} column Key of the column.
 * @property {string} name
 * @property {import("../scales.js").Scale} scale
 * @property {Float32Array} places One a trial, 0 to 1.
 * @property {unknown[]} values One a trial.
 */

/**
 * Columns that can be axes, the most useful first: the order of the table (most important first),
 * those that vary before those that do not.
 * @param {import("../types.js").Column[]} columns
 * @returns {import("../types.js").Column[]}
 */
export function candidates(columns) {
  const usable = columns.filter((column) => column.group === "param" || column.group === "metric");
  const rank = (/** @type {import("../types.js").Column} */ column) => (column.group === "param" ? 0 : 2) + (column.constant ? 1 : 0);
  return usable.map((column, index) => ({ column, index })).sort((a, b) => rank(a.column) - rank(b.column) || a.index - b.index).map(({ column }) => column);
}

/**
 * The columns shown: those requested, or else as many candidates as fit.
 * @param {import("../types.js").Column[]} columns
 * @param {string[] | null} asked Keys, in their order.
 * @param {number} width Of the page, in CSS pixels.
 * @returns {import("../types.js").Column[]}
 */
export function shownColumns(columns, asked, width) {
  const usable = candidates(columns);
  if (asked === null) return usable.filter((column) => column.group === "param" && !column.constant).slice(0, Math.max(4, Math.floor((width - 2 * SIDE) / GAP)));
  const known = new Map(usable.map((column) => [column.key, column]));
  return asked.flatMap((key) => known.get(key) ?? []).slice(0, MOST_AXES);
}

/**
 * @param {import("../types.js").Column} column
 * @param {unknown[]} values
 * @returns {Axis}
 */
export function axisOf(column, values) {
  const scale = scaleOf(column, values, { robust: column.group === "metric", count: 6 });
  const places = Float32Array.from(values, (value) => scale.place(value));
  const key = column.key.replace(/^(params|metrics)\./, "");
  return { key, column: column.key, name: column.label || key, scale, places, values };
}

/**
 * A list with one entry moved; beyond the ends it does not move.
 * @template T
 * @param {T[]} list
 * @param {number} from
 * @param {number} to
 * @returns {T[]}
 */
export function moved(list, from, to) {
  const copy = [...list];
  const [entry] = copy.splice(from, 1);
  copy.splice(Math.min(list.length - 1, Math.max(0, to)), 0, entry);
  return copy;
}

/**
 * @typedef {object} Geometry In CSS pixels.
 * @property {number} width
 * @property {number} height
 * @property {number} top Of the axes.
 * @property {number} bottom
 * @property {number[]} xs One an axis.
 */

/**
 * @param {number} available Width of the page.
 * @param {number} count Of axes.
 * @returns {Geometry}
 */
export function geometryOf(available, count) {
  const width = Math.max(available, 2 * SIDE + (count - 1) * GAP);
  const step = count > 1 ? (width - 2 * SIDE) / (count - 1) : 0;
  const xs = Array.from({ length: count }, (_, index) => Math.round(count > 1 ? SIDE + index * step : width / 2));
  return { width, height: 432, top: 56, bottom: 416, xs };
}

/**
 * @param {Geometry} geometry
 * @param {number} place 0 to 1
 */
export function yOf(geometry, place) {
  return geometry.bottom - place * (geometry.bottom - geometry.top);
}

/**
 * The trial whose line is nearest to a point.
 * @param {Axis[]} axes
 * @param {Geometry} geometry
 * @param {Uint8Array} shown 1 a trial that may be found.
 * @param {number} x
 * @param {number} y
 * @param {number} reach Pixels.
 * @returns {number} index, or -1
 */
export function nearest(axes, geometry, shown, x, y, reach) {
  const { xs } = geometry;
  if (!axes.length) return -1;
  let left = xs.findLastIndex((at) => at <= x);
  left = Math.min(Math.max(0, left), Math.max(0, axes.length - 2));
  const right = Math.min(left + 1, axes.length - 1);
  const part = xs[right] > xs[left] ? Math.min(1, Math.max(0, (x - xs[left]) / (xs[right] - xs[left]))) : 0;
  const from = axes[left].places;
  const to = axes[right].places;
  const wanted = (geometry.bottom - y) / (geometry.bottom - geometry.top);
  let found = -1;
  let least = reach / (geometry.bottom - geometry.top);
  for (let index = 0; index < from.length; index += 1) {
    if (!shown[index]) continue;
    const away = Math.abs(from[index] + (to[index] - from[index]) * part - wanted);
    if (away < least) {
      least = away;
      found = index;
    }
  }
  return found;
}
