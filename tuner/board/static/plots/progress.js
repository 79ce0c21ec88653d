/** Best so far, with every trial by its state: the study's progress, and the results of trials. */

import { chart, placeOf, plain } from "./chart.js";
import { make } from "./frame.js";
import { living } from "./living.js";
import { counted, short } from "./numbers.js";
import { GROUNDS, stateOf } from "./palette.js";
import { chosenOf, isMaximized, isResult, nameOf, nothingToSee, objectiveName, orderRuns, pointsOf, searchNote, toggle } from "./points.js";
import { bestSoFar } from "./sampling.js";
import { extent, withoutOutliers } from "./scales.js";

export const draw = living("progress", () => ({}), render);

/**
 * @param {import("./living.js").Turn} turn
 */
async function render(turn) {
  const { frame, context } = turn;
  const query = context.state.get().q ?? "";
  const points = await pointsOf(context, ["cause", "started"].filter((key) => context.columns.some((column) => column.key === key)), query);
  if (!turn.current()) return;
  const nothing = nothingToSee(context, points);
  if (nothing) return frame.message(nothing);
  orderRuns(points);
  const sorted = inOrder(points);
  const maximize = isMaximized(context);
  const metric = objectiveName(context);
  const { best, gains } = bestSoFar(sorted.map((index) => (isResult(points.state[index]) ? points.objective[index] : null)), maximize);
  const leader = gains.length ? sorted[gains[gains.length - 1]] : null;
  frame.say(inWords(points, leader, metric, maximize) + searchNote(query, points));
  legend(frame, points, context.theme);
  const values = /** @type {number[]} */ (points.objective.filter((value) => value !== null));
  const range = padded(axisRange(values, best, maximize), maximize);
  await chart(placeOf(frame), turn, traces(turn, points, sorted, best), layout(turn, points, metric, range, leader), (point) => {
    if (point.customdata !== undefined) toggle(context, points.trial[point.customdata]);
  });
  if (!turn.current()) return;
  note(frame, values, range);
  frame.table(
    `Trials that were the best so far, by ${metric}`,
    ["Trial", metric],
    gains.map((gain) => [nameOf(points.trial[sorted[gain]]), short(Number(best[gain]), 6)]).reverse(),
  );
}

/** @param {import("./points.js").Points} points */
function inOrder(points) {
  return Array.from({ length: points.count }, (_, index) => index).sort((a, b) => points.order[a] - points.order[b]);
}

/**
 * @param {import("./points.js").Points} points
 * @param {number | null} leader
 * @param {string} metric
 * @param {boolean} maximize
 */
function inWords(points, leader, metric, maximize) {
  const goal = maximize ? "higher is better" : "lower is better";
  if (leader === null) {
    const pruned = points.state.filter((state) => state === "pruned").length;
    const why = pruned ? ` ${counted(pruned, "trial")} stopped early (pruned).` : "";
    return `No trial of ${points.count} has completed with a finite ${metric} yet, so there is no best.${why}`;
  }
  return `${nameOf(points.trial[leader])} is the best of ${counted(points.count, "trial")}: ${metric} ${short(Number(points.objective[leader]), 6)} (${goal}).`.replace(/^t/, "T");
}

/**
 * States with their symbols and counts, instead of a legend.
 * @param {import("./frame.js").Frame} frame
 * @param {import("./points.js").Points} points
 * @param {"light" | "dark"} theme
 */
function legend(frame, points, theme) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const state of points.state) counts.set(state, (counts.get(state) ?? 0) + 1);
  const list = make("ul", { class: "plot-pieces", "aria-label": "Trials by state" });
  for (const [state, count] of [...counts].sort((a, b) => b[1] - a[1]).slice(0, 8)) {
    const known = stateOf(state);
    const sign = make("span", { class: "plot-sign", "aria-hidden": "true", text: known.sign });
    sign.style.color = known.colour[theme];
    list.append(make("li", {}, [sign, `${known.word} ${count}`]));
  }
  frame.extra.querySelector(".plot-pieces")?.remove();
  frame.extra.prepend(list);
}

/**
 * The range of the objective shown: always with the best, without far outliers at the other end.
 * @param {number[]} values
 * @param {(number | null)[]} best
 * @param {boolean} maximize
 * @returns {[number, number]}
 */
export function axisRange(values, best, maximize) {
  let [low, high] = withoutOutliers(values);
  for (const value of best.slice(Math.floor(best.length / 10))) {
    if (value === null) continue;
    if (maximize) high = Math.max(high, value);
    else low = Math.min(low, value);
  }
  return [low, high];
}

/**
 * @param {[number, number]} range
 * @param {boolean} maximize
 * @returns {[number, number]}
 */
function padded([low, high], maximize) {
  if (!Number.isFinite(low)) return [0, 1];
  const pad = high > low ? 0.06 * (high - low) : Math.max(Math.abs(low) * 0.05, 1e-9);
  // Room for the best trial's label, which is on the good side of the line.
  return maximize ? [low - pad, high + 3 * pad] : [low - 3 * pad, high + pad];
}

/**
 * @param {import("./living.js").Turn} turn
 * @param {import("./points.js").Points} points
 * @param {number[]} sorted
 * @param {(number | null)[]} best
 */
function traces(turn, points, sorted, best) {
  const { theme } = turn.context;
  const chosen = new Set(chosenOf(turn.context));
  /** @type {Map<string, number[]>} */
  const groups = new Map();
  for (const index of sorted) {
    const name = `${stateOf(points.state[index]).word}|${points.objective[index] === null ? "none" : "value"}`;
    const group = groups.get(name);
    if (group) group.push(index);
    else groups.set(name, [index]);
  }
  const drawn = [...groups.values()].map((indices) => {
    const none = points.objective[indices[0]] === null;
    const state = stateOf(points.state[indices[0]]);
    return {
      type: "scatter",
      mode: "markers",
      name: state.word,
      x: indices.map((index) => points.order[index]),
      y: indices.map((index) => (none ? 0.5 : points.objective[index])),
      yaxis: none ? "y2" : "y",
      customdata: indices,
      hovertext: indices.map((index) => hover(points, index)),
      hoverinfo: "text",
      marker: {
        symbol: state.symbol,
        color: state.colour[theme],
        size: points.count > 1000 ? 5 : 8,
        opacity: points.count > 1000 ? 0.6 : 0.85,
        line: { width: 1.2, color: state.colour[theme] },
      },
    };
  });
  const line = {
    type: "scatter",
    mode: "lines",
    x: sorted.map((index) => points.order[index]),
    y: best,
    line: { shape: "hv", width: 2.5, color: GROUNDS[theme].accent },
    hoverinfo: "skip",
  };
  const ringed = sorted.filter((index) => chosen.has(points.trial[index]) && points.objective[index] !== null).slice(0, 20);
  const rings = {
    type: "scatter",
    mode: "markers+text",
    x: ringed.map((index) => points.order[index]),
    y: ringed.map((index) => points.objective[index]),
    text: ringed.map((index) => plain(nameOf(points.trial[index]).replace("trial ", "#"))),
    textposition: "bottom center",
    textfont: { color: GROUNDS[theme].ink, size: 12 },
    marker: { symbol: "circle-open", size: 15, color: GROUNDS[theme].ink, line: { width: 2 } },
    hoverinfo: "skip",
  };
  return [...drawn, line, rings];
}

/**
 * @param {import("./points.js").Points} points
 * @param {number} index
 */
function hover(points, index) {
  const value = points.objective[index];
  const cause = points.columns.cause?.[index];
  const why = cause ? `<br>${plain(String(cause).slice(0, 80).replaceAll("_", " "))}` : "";
  return `${plain(nameOf(points.trial[index]))}, ${stateOf(points.state[index]).word}<br>${value === null ? "no objective" : short(value, 6)}${why}`;
}

/**
 * @param {import("./living.js").Turn} turn
 * @param {import("./points.js").Points} points
 * @param {string} metric
 * @param {[number, number]} range
 * @param {number | null} leader
 */
function layout(turn, points, metric, range, leader) {
  const ground = GROUNDS[turn.context.theme];
  const without = points.objective.some((value) => value === null);
  const [first, last] = extent(points.order);
  const margin = Math.max(1, (last - first) * 0.02);
  const labels = [];
  if (leader !== null) {
    const x = points.order[leader];
    const left = x > first + (last - first) / 2;
    labels.push({ x, y: points.objective[leader], text: `best: ${plain(nameOf(points.trial[leader]))}, ${short(Number(points.objective[leader]))}`, showarrow: false, yshift: isMaximized(turn.context) ? 12 : -12, xanchor: left ? "right" : "left", font: { color: ground.ink, size: 13 } });
  }
  return {
    xaxis: { title: { text: points.trial.some((key) => typeof key === "string") ? "run, in the order in which they began" : "trial (number)" }, range: [first - margin, last + margin], anchor: without ? "y2" : "y" },
    yaxis: { title: { text: plain(metric) }, range, domain: [without ? 0.16 : 0, 1] },
    yaxis2: { visible: without, domain: [0, 0.09], range: [0, 1], fixedrange: true, tickvals: [0.5], ticktext: ["no objective"], showgrid: false, color: ground.soft, automargin: true },
    annotations: labels,
  };
}

/**
 * @param {import("./frame.js").Frame} frame
 * @param {number[]} values
 * @param {[number, number]} range
 */
function note(frame, values, range) {
  frame.extra.querySelector(".plot-note")?.remove();
  const beyond = values.filter((value) => value < range[0] || value > range[1]).length;
  if (beyond === 0) return;
  const [low, high] = extent(values);
  const text = `${counted(beyond, "trial")} far off ${beyond === 1 ? "lies" : "lie"} beyond the axis (values from ${short(low)} to ${short(high)}); a double click on the plot shows all.`;
  frame.extra.prepend(make("p", { class: "plot-note", text }));
}
