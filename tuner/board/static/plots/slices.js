/** The effect of each parameter: the objective over it, one small plot per parameter. */

import { chart, placeOf, plain } from "./chart.js";
import { make } from "./frame.js";
import { living } from "./living.js";
import { clipped, counted, percent, short, textOf } from "./numbers.js";
import { GROUNDS, stateOf } from "./palette.js";
import { candidates } from "./parallel/axes.js";
import { chosenOf, isMaximized, nameOf, nothingToSee, objectiveName, pointsOf, searchNote, toggle } from "./points.js";
import { bestIndices, jitter, thinned } from "./sampling.js";
import { scaleOf, withoutOutliers } from "./scales.js";

/** Number of plots shown at first, and added by each "more". */
const PAGE = 6;
/** Maximum points per plot; if there are more, the best and an even selection of the rest. */
const POINTS = 800;

export const draw = living("slices", () => ({ shown: PAGE, wanted: "" }), render);

/**
 * @param {import("./living.js").Turn} turn
 * @param {{shown: number, wanted: string}} settings
 */
async function render(turn, settings) {
  const { frame, context } = turn;
  const parameters = candidates(context.columns).filter((column) => column.group === "param" && !column.constant);
  if (!parameters.length) {
    return frame.message(context.columns.length ? "No parameter varies between the trials, so none can have an effect." : "Loading …");
  }
  const wanted = settings.wanted.toLowerCase();
  const found = parameters.filter((column) => column.label.toLowerCase().includes(wanted));
  const shown = found.slice(0, settings.shown);
  const query = context.state.get().q ?? "";
  const points = await pointsOf(context, shown.map((column) => column.key), query);
  if (!turn.current()) return;
  const nothing = nothingToSee(context, points);
  if (nothing) return frame.message(nothing);
  const valued = points.objective.filter((value) => value !== null);
  if (!valued.length) return frame.message(`No trial has a finite ${objectiveName(context)} yet, so no effect can be seen.`);
  controls(turn, settings, parameters.length);
  const goal = isMaximized(context) ? "higher is better" : "lower is better";
  const part = valued.length > POINTS ? ` Each plot shows ${POINTS} of ${valued.length}: the best 100 and an even part of the rest.` : "";
  frame.say(found.length ? `${objectiveName(context)} (${goal}) over ${shown.length === found.length ? counted(shown.length, "parameter") : `${shown.length} of ${counted(found.length, "parameter")}`}, most important first; one mark a trial.${part}${searchNote(query, points)}` : `No parameter is called "${settings.wanted}".`);
  frame.stage.classList.add("plot-grid");
  const keys = new Set(shown.map((column) => column.key));
  for (const place of [...frame.stage.children]) if (!keys.has(/** @type {HTMLElement} */ (place).dataset.chart ?? "")) place.remove();
  for (const column of shown) {
    await one(turn, column, points);
    if (!turn.current()) return;
  }
  more(turn, settings, found.length);
  frame.table("The best value of each parameter", ["Parameter", "In the best trial", "Middle of the best tenth"], shown.map((column) => row(column, points, isMaximized(context))));
}

/**
 * @param {import("./living.js").Turn} turn
 * @param {{shown: number, wanted: string}} settings
 * @param {number} count
 */
function controls(turn, settings, count) {
  const { frame } = turn;
  if (count <= PAGE || frame.controls.querySelector("input")) return;
  const input = make("input", { type: "search", placeholder: "part of a name" });
  let waiting = 0;
  input.addEventListener("input", () => {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(() => {
      settings.wanted = input.value.trim();
      turn.again();
    }, 200);
  });
  frame.controls.replaceChildren(make("label", { class: "plot-choice" }, [make("span", { text: "Find a parameter" }), input]));
}

/**
 * @param {import("./living.js").Turn} turn
 * @param {{shown: number}} settings
 * @param {number} found
 */
function more(turn, settings, found) {
  const before = turn.frame.extra.querySelector("button.plot-more");
  before?.remove();
  if (found <= settings.shown) return;
  const button = make("button", { type: "button", class: "plot-more", text: `Show ${Math.min(PAGE, found - settings.shown)} more of ${found - settings.shown}` });
  button.addEventListener("click", () => {
    settings.shown += PAGE;
    turn.again();
  });
  turn.frame.extra.prepend(button);
}

/**
 * @param {import("./living.js").Turn} turn
 * @param {import("./types.js").Column} column
 * @param {import("./points.js").Points} points
 */
async function one(turn, column, points) {
  const { context } = turn;
  const values = points.columns[column.key];
  const scale = scaleOf(column, values, { count: 4, absent: 0.06, floor: 0.27 });
  const present = Array.from({ length: points.count }, (_, index) => index).filter((index) => points.objective[index] !== null);
  const best = bestIndices(points.objective, isMaximized(context), 100);
  const kept = new Set([...thinned(present.length, POINTS - best.length).map((place) => present[place]), ...best]);
  const drawn = present.length > POINTS ? [...kept] : present;
  const chosen = new Set(chosenOf(context));
  const apart = spread(column, scale);
  const x = (/** @type {number} */ index) => scale.place(values[index]) + (values[index] === null ? 0.02 : apart) * jitter(points.order[index]);
  const objectives = /** @type {number[]} */ (points.objective.filter((value) => value !== null));
  const [low, high] = withoutOutliers(objectives);
  const pad = 0.06 * (high - low || Math.abs(high) || 1);
  const traces = ["complete", "pruned", ""].map((word) => {
    const indices = drawn.filter((index) => (word === "" ? !["complete", "pruned"].includes(points.state[index]) : points.state[index] === word));
    const state = stateOf(word || points.state[indices[0]]);
    return {
      type: "scatter",
      mode: "markers",
      x: indices.map(x),
      y: indices.map((index) => points.objective[index]),
      customdata: indices,
      hovertext: indices.map((index) => `${plain(nameOf(points.trial[index]))}, ${state.word}<br>${plain(column.label)}: ${plain(textOf(values[index]))}<br>${plain(objectiveName(context))}: ${short(Number(points.objective[index]), 6)}`),
      hoverinfo: "text",
      marker: { symbol: state.symbol, color: state.colour[context.theme], size: indices.map((index) => (chosen.has(points.trial[index]) ? 12 : 6)), opacity: drawn.length > 300 ? 0.55 : 0.8, line: { width: 1, color: state.colour[context.theme] } },
    };
  });
  const leader = best[0];
  const star = { type: "scatter", mode: "markers", x: [x(leader)], y: [points.objective[leader]], hoverinfo: "skip", marker: { symbol: "circle-open", size: 15, line: { width: 2.2, color: GROUNDS[context.theme].accent }, color: GROUNDS[context.theme].accent } };
  const ticks = [...(scale.absent === null ? [] : [{ at: scale.absent, text: "inactive" }]), ...scale.ticks];
  const letters = scale.kind === "choices" ? ticks.reduce((sum, tick) => sum + tick.text.length + 2, 0) : 0;
  const share = typeof column.share === "number" ? `<br><span style="font-size:12px">importance ${percent(column.share)}</span>` : "";
  const layout = {
    margin: { l: 52, r: 16, t: 8, b: 64 },
    xaxis: { title: { text: `${plain(clipped(column.label, 36))}${scale.kind === "log" ? " (log)" : ""}${share}`, font: { size: 13 } }, range: [-0.03 - apart / 2, 1.03 + apart / 2], tickvals: ticks.map((tick) => tick.at), ticktext: ticks.map((tick) => plain(tick.text)), tickangle: letters > 34 ? -30 : 0, fixedrange: true, showgrid: false },
    yaxis: { title: { text: plain(objectiveName(context)), font: { size: 12 } }, range: [low - pad, high + pad], nticks: 5 },
    shapes: scale.absent === null ? [] : [{ type: "line", x0: scale.floor - 0.08, x1: scale.floor - 0.08, y0: 0, y1: 1, yref: "paper", line: { width: 1, dash: "dot", color: GROUNDS[context.theme].line } }],
  };
  await chart(placeOf(turn.frame, column.key), turn, [...traces, star], layout, (point) => point.customdata !== undefined && toggle(context, points.trial[point.customdata]));
}

/**
 * The width over which trials with the same value are spread, so that none hides another.
 * @param {import("./types.js").Column} column
 * @param {import("./scales.js").Scale} scale
 * @returns {number}
 */
function spread(column, scale) {
  const places = scale.kind === "choices" ? scale.ticks.length : column.type === "int" && scale.kind === "linear" ? scale.high - scale.low + 1 : Infinity;
  return places <= 30 ? (0.5 * (1 - scale.floor)) / Math.max(1, places) : 0;
}

/**
 * @param {import("./types.js").Column} column
 * @param {import("./points.js").Points} points
 * @param {boolean} maximize
 * @returns {string[]}
 */
function row(column, points, maximize) {
  const values = points.columns[column.key];
  const tenth = bestIndices(points.objective, maximize, Math.max(1, Math.round(points.count / 10)));
  const numbers = tenth.map((index) => values[index]).filter((value) => typeof value === "number").sort((a, b) => Number(a) - Number(b));
  const middle = numbers.length > tenth.length / 2 ? textOf(numbers[Math.floor((numbers.length - 1) / 2)]) : textOf(commonest(tenth.map((index) => values[index])));
  return [column.label, textOf(values[tenth[0]]), middle];
}

/** @param {unknown[]} values */
function commonest(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
}
