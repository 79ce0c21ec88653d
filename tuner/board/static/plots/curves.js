/** Learning curves of the chosen trials, over the others in grey. */

import { chart, placeOf, plain } from "./chart.js";
import { choice } from "./frame.js";
import { living } from "./living.js";
import { counted, numberOf, short } from "./numbers.js";
import { GROUNDS, chosenColour, stateOf } from "./palette.js";
import { chosenOf, isMaximized, nameOf, pointsOf } from "./points.js";
import { apart } from "./labels.js";
import { bestIndices } from "./sampling.js";
import { withoutOutliers } from "./scales.js";

/** Maximum points per curve, to which the server reduces it. */
const POINTS = 200;
/** Number of best trials shown if none is chosen. */
const BEST = 3;

/**
 * @typedef {object} Curve
 * @property {import("./types.js").TrialKey} trial
 * @property {string} state
 * @property {number[]} steps
 * @property {(number | null)[]} values
 */

export const draw = living("curves", () => ({ tag: "" }), render);

/**
 * @param {import("./living.js").Turn} turn
 * @param {{tag: string}} settings
 */
async function render(turn, settings) {
  const { frame, context } = turn;
  const chosen = chosenOf(context).slice(0, 20);
  const keys = chosen.length ? chosen : await bestTrials(context);
  if (!turn.current()) return;
  if (!keys.length) return frame.message("No trial has started yet. Curves appear as trials report.");
  const answer = await ask(context, keys, settings.tag);
  if (!turn.current()) return;
  const tags = list(answer?.tags).map(String).slice(0, 500);
  const tag = String(answer?.tag ?? settings.tag ?? tags[0] ?? "");
  const curves = read(answer?.curves).slice(0, 20);
  const grey = read(answer?.grey).slice(0, 500);
  frame.controls.replaceChildren(
    ...(tags.length > 1 ? [choice("Curve of", tags.map((value) => ({ value, text: value })), tag, (value) => ((settings.tag = value), turn.again()))] : []),
  );
  if (!tags.length) return frame.message("These trials logged no curves. Report a value at each epoch (run.report, or the Keras callback) to see how they learn.");
  const lines = curves.filter((curve) => curve.steps.length > 0);
  frame.say(inWords(context, tag, chosen, keys, lines, grey.length));
  const values = [...lines, ...grey].flatMap((curve) => curve.values.filter((value) => value !== null));
  await chart(placeOf(frame), turn, traces(context, lines, grey), layout(context, tag, lines, /** @type {number[]} */ (values)), (point) => {
    const key = lines[point.curveNumber - 1]?.trial;
    if (key !== undefined && chosen.length) context.choose(chosen.filter((other) => other !== key));
  });
  if (!turn.current()) return;
  frame.table(`${tag} of the chosen trials`, ["Trial", "State", "Points", "First", "Last", "Least", "Greatest"], lines.map(row));
}

/**
 * @param {import("./types.js").Context} context
 * @param {import("./types.js").TrialKey[]} keys
 * @param {string} tag
 */
function ask(context, keys, tag) {
  const numbers = keys.filter((key) => typeof key === "number");
  const runs = keys.filter((key) => typeof key === "string");
  return context.api.curves({ study: context.study.study, trials: numbers.join(",") || undefined, runs: runs.join(",") || undefined, tag: tag || undefined, points: POINTS });
}

/**
 * The best trials, or any if none has an objective.
 * @param {import("./types.js").Context} context
 * @returns {Promise<import("./types.js").TrialKey[]>}
 */
async function bestTrials(context) {
  const points = await pointsOf(context, []);
  const best = bestIndices(points.objective, isMaximized(context), BEST);
  return best.length ? best.map((index) => points.trial[index]) : points.trial.slice(0, BEST);
}

/** @param {unknown} value @returns {unknown[]} */
function list(value) {
  return Array.isArray(value) ? value : [];
}

/**
 * The curves in a response, without invalid ones.
 * @param {unknown} given
 * @returns {Curve[]}
 */
export function read(given) {
  return list(given).flatMap((item) => {
    const entry = /** @type {any} */ (item);
    if (!entry || !Array.isArray(entry.steps) || !Array.isArray(entry.values)) return [];
    const values = entry.values.slice(0, 500).map(numberOf);
    const steps = entry.steps.slice(0, values.length).map((/** @type {unknown} */ step, /** @type {number} */ index) => numberOf(step) ?? index);
    return [{ trial: numberOf(entry.trial) ?? String(entry.run ?? "run"), state: String(entry.state ?? ""), steps, values }];
  });
}

/**
 * @param {import("./types.js").Context} context
 * @param {string} tag
 * @param {import("./types.js").TrialKey[]} chosen
 * @param {import("./types.js").TrialKey[]} keys Chosen by hand, else the best.
 * @param {Curve[]} lines
 * @param {number} others
 */
function inWords(context, tag, chosen, keys, lines, others) {
  const byHand = chosen.length > 0;
  const names = (lines.length ? lines.map((curve) => curve.trial) : keys).map(nameOf);
  const which = byHand ? counted(keys.length, "chosen trial") : `${names.slice(0, 5).join(", ")} (the best)`;
  const missing = keys.length - lines.length;
  const none = missing > 0 ? ` ${counted(missing, "trial")} logged no ${tag}.` : "";
  const how = byHand || context.saved ? "" : " Choose trials in the table to see theirs.";
  return `${tag} of ${which}, over ${others ? counted(others, "other") + " in grey" : "no others"}.${none}${how}`;
}

/**
 * @param {import("./types.js").Context} context
 * @param {Curve[]} lines
 * @param {Curve[]} grey
 */
function traces(context, lines, grey) {
  const { theme } = context;
  /** @type {(number | null)[]} */
  const x = [];
  /** @type {(number | null)[]} */
  const y = [];
  for (const curve of grey) {
    x.push(...curve.steps, null);
    y.push(...curve.values, null);
  }
  const others = { type: "scatter", mode: "lines", x, y, hoverinfo: "skip", line: { width: 1, color: GROUNDS[theme].grey, simplify: true }, opacity: grey.length > 100 ? 0.45 : 0.7 };
  return [
    others,
    ...lines.map((curve, index) => ({
      type: "scatter",
      mode: curve.steps.length > 1 ? "lines" : "markers",
      x: curve.steps,
      y: curve.values,
      line: { width: 2.2, color: chosenColour(index, theme), dash: ["solid", "dash", "dot", "dashdot"][Math.floor(index / 5) % 4] },
      hovertext: curve.values.map((value, at) => `${plain(nameOf(curve.trial))}, ${stateOf(curve.state).word}<br>step ${short(curve.steps[at])}: ${value === null ? "no value" : short(value, 6)}`),
      hoverinfo: "text",
    })),
  ];
}

/**
 * @param {import("./types.js").Context} context
 * @param {string} tag
 * @param {Curve[]} lines
 * @param {number[]} values
 */
function layout(context, tag, lines, values) {
  const [low, high] = withoutOutliers(values);
  const span = high - low || Math.abs(high) || 1;
  const range = Number.isFinite(low) ? [low - 0.05 * span, high + 0.05 * span] : [0, 1];
  const ends = lines.map((curve, index) => {
    const last = curve.values.findLastIndex((value) => value !== null);
    return { index, x: curve.steps[last], y: Number(curve.values[last]), name: nameOf(curve.trial) };
  });
  const shown = ends.filter((end) => Number.isFinite(end.y));
  const heights = apart(shown.map((end) => Math.min(range[1], Math.max(range[0], end.y))), (range[1] - range[0]) * 0.055, range[0], range[1]);
  const labels = shown.map((end, place) => ({
    x: 1.005,
    xref: "paper",
    y: heights[place],
    text: plain(end.name.slice(0, 24)),
    xanchor: "left",
    showarrow: false,
    font: { color: chosenColour(end.index, context.theme), size: 12 },
  }));
  return { xaxis: { title: { text: "step (as logged; Keras: epoch)" } }, yaxis: { title: { text: plain(tag) }, range }, annotations: labels, margin: { r: 96 } };
}

/** @param {Curve} curve */
function row(curve) {
  const values = /** @type {number[]} */ (curve.values.filter((value) => value !== null));
  const text = (/** @type {number | undefined} */ value) => (value === undefined ? "none" : short(value, 6));
  const sorted = [...values].sort((a, b) => a - b);
  return [nameOf(curve.trial), stateOf(curve.state).word, String(values.length), text(values[0]), text(values.at(-1)), text(sorted[0]), text(sorted.at(-1))];
}
