/** The Pareto front: trials that no other beats in all metrics. */

import { chart, placeOf, plain } from "./chart.js";
import { choice } from "./frame.js";
import { paretoFront } from "./front.js";
import { living } from "./living.js";
import { counted, numberOf, short } from "./numbers.js";
import { GROUNDS, rampColour } from "./palette.js";
import { chosenOf, isResult, nameOf, nothingToSee, pointsOf, searchNote, toggle } from "./points.js";
import { thinned } from "./sampling.js";
import { extent, withoutOutliers } from "./scales.js";

/** Maximum number of dominated trials drawn. */
const BEATEN = 1500;

export const draw = living("pareto", () => ({ x: "", y: "", third: "", goals: /** @type {Record<string, string>} */ ({}) }), render);

/**
 * @typedef {{x: string, y: string, third: string, goals: Record<string, string>}} Settings
 * @typedef {{key: string, name: string, goal: string, values: (number | null)[]}} Metric
 */

/**
 * @param {import("./living.js").Turn} turn
 * @param {Settings} settings
 */
async function render(turn, settings) {
  const { frame, context } = turn;
  const named = (context.study.metrics ?? []).map((metric) => metric.name);
  const columns = context.columns.filter((column) => column.group === "metric");
  const names = named.length > 1 ? named : columns.map((column) => column.key.replace(/^metrics\./, ""));
  if (names.length < 2) return frame.message("The study has one metric, so the best trial is the first of the table. A front needs two metrics.");
  const picked = chosenMetrics(settings, names);
  const query = context.state.get().q ?? "";
  const points = await pointsOf(context, picked.map((name) => `metrics.${name}`), query);
  if (!turn.current()) return;
  const nothing = nothingToSee(context, points);
  if (nothing) return frame.message(nothing);
  const metrics = picked.map((name) => metricOf(context, settings, name, points));
  controls(turn, settings, names, metrics);
  const rows = points.trial.map((_, index) => metrics.map((metric) => (isResult(points.state[index]) ? metric.values[index] : null)));
  const whole = rows.filter((row) => row.every((value) => value !== null)).length;
  if (!whole) {
    frame.stage.replaceChildren();
    return frame.say(`No completed trial has both ${metrics.map((metric) => metric.name).join(" and ")}. Choose other metrics.`);
  }
  const front = paretoFront(rows, metrics.map((metric) => metric.goal === "maximize"));
  const words = metrics.map((metric) => `${metric.name} (${metric.goal === "maximize" ? "higher" : "lower"} is better)`);
  frame.say(`${counted(front.length, "trial")} of ${whole} ${front.length === 1 ? "is" : "are"} beaten by no other in ${words.join(" and ")} at once.${searchNote(query, points)}`);
  await chart(placeOf(frame), turn, traces(turn, points, metrics, rows, front), layout(turn, points, metrics, rows, front), (point) => point.customdata !== undefined && toggle(context, points.trial[point.customdata]));
  if (!turn.current()) return;
  const along = [...front].sort((a, b) => Number(metrics[0].values[a]) - Number(metrics[0].values[b]));
  frame.table("Trials on the front", ["Trial", ...metrics.map((metric) => metric.name)], along.map((index) => [nameOf(points.trial[index]), ...metrics.map((metric) => short(Number(metric.values[index]), 6))]));
}

/**
 * @param {Settings} settings
 * @param {string[]} names
 * @returns {string[]} two or three
 */
function chosenMetrics(settings, names) {
  const x = names.includes(settings.x) ? settings.x : names[0];
  const y = names.includes(settings.y) && settings.y !== x ? settings.y : /** @type {string} */ (names.find((name) => name !== x));
  const left = names.filter((name) => name !== x && name !== y);
  const third = settings.third === "none" ? undefined : left.includes(settings.third) ? settings.third : names.length === 3 ? left[0] : undefined;
  return third === undefined ? [x, y] : [x, y, third];
}

/**
 * @param {import("./types.js").Context} context
 * @param {Settings} settings
 * @param {string} name
 * @param {import("./points.js").Points} points
 * @returns {Metric}
 */
function metricOf(context, settings, name, points) {
  const known = context.study.metrics?.find((metric) => metric.name === name)?.goal;
  const goal = settings.goals[name] ?? known ?? (/acc|auc|f1|precision|recall|score|r2/i.test(name) ? "maximize" : "minimize");
  return { key: `metrics.${name}`, name, goal, values: points.columns[`metrics.${name}`].map(numberOf) };
}

/**
 * @param {import("./living.js").Turn} turn
 * @param {Settings} settings
 * @param {string[]} names
 * @param {Metric[]} metrics
 */
function controls(turn, settings, names, metrics) {
  const { frame, context } = turn;
  if (frame.controls.contains(document.activeElement)) return;
  const list = names.slice(0, 200).map((value) => ({ value, text: value.slice(0, 60) }));
  const set = (/** @type {"x" | "y" | "third"} */ key) => (/** @type {string} */ value) => {
    settings[key] = value;
    turn.again();
  };
  const parts = [choice("Across", list, metrics[0].name, set("x")), choice("Up", list, metrics[1].name, set("y"))];
  if (names.length > 2) parts.push(choice("Colour", [{ value: "none", text: "none" }, ...list], metrics[2]?.name ?? "none", set("third")));
  for (const metric of metrics) {
    if (context.study.metrics?.some((known) => known.name === metric.name)) continue;
    const goals = [{ value: "maximize", text: "higher is better" }, { value: "minimize", text: "lower is better" }];
    parts.push(choice(metric.name.slice(0, 40), goals, metric.goal, (value) => ((settings.goals[metric.name] = value), turn.again())));
  }
  frame.controls.replaceChildren(...parts);
}

/**
 * @param {import("./living.js").Turn} turn
 * @param {import("./points.js").Points} points
 * @param {Metric[]} metrics
 * @param {(number | null)[][]} rows
 * @param {number[]} front
 */
function traces(turn, points, metrics, rows, front) {
  const { theme } = turn.context;
  const ground = GROUNDS[theme];
  const [across, up, third] = metrics;
  const on = new Set(front);
  const chosen = new Set(chosenOf(turn.context));
  const beaten = rows.flatMap((row, index) => (!on.has(index) && row.every((value) => value !== null) ? [index] : []));
  const drawn = thinned(beaten.length, BEATEN).map((place) => beaten[place]);
  const along = [...front].sort((a, b) => Number(across.values[a]) - Number(across.values[b]));
  const size = (/** @type {number} */ index, /** @type {number} */ usual) => (chosen.has(points.trial[index]) ? usual + 6 : usual);
  const hover = (/** @type {number} */ index) => `${plain(nameOf(points.trial[index]))}${on.has(index) ? ", on the front" : ""}${metrics.map((metric) => `<br>${plain(metric.name)}: ${short(Number(metric.values[index]), 6)}`).join("")}`;
  const marks = (/** @type {number[]} */ indices, /** @type {object} */ marker) => ({ type: "scatter", mode: "markers", x: indices.map((index) => across.values[index]), y: indices.map((index) => up.values[index]), customdata: indices, hovertext: indices.map(hover), hoverinfo: "text", marker });
  const [low, high] = third ? extent(front.map((index) => Number(third.values[index]))) : [0, 1];
  const shade = (/** @type {number} */ index) => {
    if (!third) return ground.accent;
    const share = high > low ? (Number(third.values[index]) - low) / (high - low) : 1;
    return rampColour(third.goal === "maximize" ? share : 1 - share, theme);
  };
  // The corners of the steps are on the worse side: the line shows nothing that no trial reached.
  const shape = along.length > 1 && !third ? [{ type: "scatter", mode: "lines", x: along.map((index) => across.values[index]), y: along.map((index) => up.values[index]), line: { width: 1.5, shape: across.goal === "minimize" ? "hv" : "vh", color: ground.accent }, hoverinfo: "skip" }] : [];
  return [
    marks(drawn, { symbol: "circle-open", size: drawn.map((index) => size(index, 5)), color: ground.grey, opacity: 0.7 }),
    ...shape,
    marks(along, { symbol: "diamond", size: along.map((index) => size(index, 10)), color: along.map(shade), line: { width: 1, color: ground.ink } }),
  ];
}

/**
 * @param {import("./living.js").Turn} turn
 * @param {import("./points.js").Points} points
 * @param {Metric[]} metrics
 * @param {(number | null)[][]} rows
 * @param {number[]} front
 */
function layout(turn, points, metrics, rows, front) {
  const ground = GROUNDS[turn.context.theme];
  const [across, up] = metrics;
  const spans = [spanOf(across, rows, 0, front), spanOf(up, rows, 1, front)];
  const labels = uncrowded(front, [across, up], spans).map((index) => ({ x: across.values[index], y: up.values[index], text: plain(nameOf(points.trial[index]).replace("trial ", "#")), showarrow: false, yshift: 14, font: { size: 12, color: ground.ink } }));
  const title = (/** @type {Metric} */ metric, /** @type {number} */ place) => ({ title: { text: plain(`${metric.name} (${metric.goal === "maximize" ? "higher" : "lower"} is better)`) }, range: spans[place] });
  const third = metrics[2] ? [{ x: 1, y: 1.06, xref: "paper", yref: "paper", xanchor: "right", showarrow: false, text: plain(`colour: ${metrics[2].name}, the better the stronger`), font: { size: 12, color: ground.soft } }] : [];
  return { xaxis: title(across, 0), yaxis: title(up, 1), annotations: [...labels, ...third] };
}

/**
 * @param {Metric} metric
 * @param {(number | null)[][]} rows Null where a trial is not compared.
 * @param {number} place Of the metric in a row.
 * @param {number[]} front Always within.
 * @returns {[number, number]}
 */
function spanOf(metric, rows, place, front) {
  const numbers = rows.flatMap((row) => (row.every((value) => value !== null) ? [Number(row[place])] : []));
  const [low, high] = extent([...withoutOutliers(numbers), ...front.map((index) => Number(metric.values[index]))]);
  const pad = 0.06 * (high - low || Math.abs(high) || 1);
  return [low - pad, high + pad];
}

/**
 * Trials whose labels do not overlap.
 * @param {number[]} front
 * @param {Metric[]} metrics Across and up.
 * @param {[number, number][]} spans Of both axes.
 * @returns {number[]}
 */
function uncrowded(front, metrics, spans) {
  /** @type {number[][]} */
  const taken = [];
  return front.slice(0, 200).filter((index) => {
    const at = metrics.map((metric, place) => (Number(metric.values[index]) - spans[place][0]) / (spans[place][1] - spans[place][0]));
    if (taken.some((other) => Math.abs(other[0] - at[0]) < 0.06 && Math.abs(other[1] - at[1]) < 0.06)) return false;
    taken.push(at);
    return true;
  });
}
