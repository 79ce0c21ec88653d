/** The trials as columns for plots: read from `points`, checked, cached for a while. */

import { numberOf } from "./numbers.js";

/** Maximum number that the route returns. */
const MOST = 20_000;
/** Number of cached responses, so that choosing a trial needs no request. */
const KEPT = 12;

/**
 * @typedef {object} Points
 * @property {number} total Trials of the study.
 * @property {number} matching Trials that the search leaves.
 * @property {number} count Trials that are here; fewer than `matching` above 20 000.
 * @property {import("./types.js").TrialKey[]} trial
 * @property {number[]} order The trial's number, or its place where it has none.
 * @property {string[]} state
 * @property {(number | null)[]} objective
 * @property {Record<string, unknown[]>} columns A value a trial; null: absent.
 */

/** @type {WeakMap<object, Map<string, Promise<Points>>>} */
const answers = new WeakMap();

/**
 * Request columns of the trials that match a search.
 * @param {import("./types.js").Context} context
 * @param {string[]} keys
 * @param {string} [query] The search; by default none.
 * @returns {Promise<Points>}
 */
export function pointsOf(context, keys, query = "") {
  const view = context.state.get();
  const { study } = context;
  // Without `columns` the response has all: a name with a comma cannot be requested.
  const columns = keys.some((key) => key.includes(",")) ? undefined : keys.join(",");
  const asked = { study: study.study, columns, query: query || undefined, limit: MOST, metric: view.metric, goal: view.goal, value: view.value };
  const version = [study.updated, study.trials, study.version, /** @type {any} */ (study).counts];
  const key = JSON.stringify([asked, version]);
  const known = answers.get(context.api) ?? new Map();
  answers.set(context.api, known);
  let answer = known.get(key);
  if (!answer) {
    answer = context.api.points(asked).then((document) => checked(document, keys));
    known.set(key, answer);
    answer.catch(() => known.delete(key));
    if (known.size > KEPT) known.delete(known.keys().next().value);
  }
  return answer;
}

/**
 * Runs without a number get their places by time, else by name as a person counts: answers come best
 * first, which says nothing of what came first.
 * @param {Points} points Its `order` is set.
 */
export function orderRuns(points) {
  if (!points.trial.some((key) => typeof key === "string")) return;
  const started = points.columns.started ?? [];
  const time = (/** @type {number} */ index) => (typeof started[index] === "number" ? Number(started[index]) : Date.parse(String(started[index] ?? "")));
  const places = Array.from({ length: points.count }, (_, index) => index);
  const known = places.every((index) => Number.isFinite(time(index)));
  const { compare } = new Intl.Collator("en", { numeric: true });
  places.sort((a, b) => (known && time(a) - time(b)) || compare(String(points.trial[a]), String(points.trial[b])) || a - b);
  places.forEach((index, place) => {
    points.order[index] = place;
  });
}

/**
 * @param {any} document The response of `points`.
 * @param {string[]} keys
 * @returns {Points}
 */
export function checked(document, keys) {
  const list = (/** @type {unknown} */ value) => (Array.isArray(value) ? value : []);
  const numbers = list(document?.trial);
  const runs = list(document?.run);
  const count = Math.min(MOST, Math.max(numbers.length, runs.length));
  const states = list(document?.state);
  const objectives = list(document?.objective);
  /** @type {Points} */
  const points = { total: numberOf(document?.total) ?? count, matching: numberOf(document?.matching) ?? count, count, trial: [], order: [], state: [], objective: [], columns: {} };
  for (let index = 0; index < count; index += 1) {
    const number = numberOf(numbers[index]);
    points.trial.push(number ?? String(runs[index] ?? index));
    points.order.push(number ?? index);
    points.state.push(String(states[index] ?? ""));
    points.objective.push(numberOf(objectives[index]));
  }
  for (const key of keys) {
    const given = list(document?.columns?.[key]);
    points.columns[key] = Array.from({ length: count }, (_, index) => given[index] ?? null);
  }
  return points;
}

/**
 * Whether more is better.
 * @param {import("./types.js").Context} context
 * @returns {boolean}
 */
export function isMaximized(context) {
  const goal = context.state.get().goal ?? context.study.goal ?? context.study.metrics?.[0]?.goal;
  return goal === "maximize";
}

/**
 * Whether a trial's value is a result. Logs of other tools often lack the record of the end, so a
 * trial that seems to run counts where it has a value; ours have none before they end.
 * @param {string} state
 * @returns {boolean}
 */
export function isResult(state) {
  return state === "complete" || state === "running";
}

/**
 * The objective's name, for axes and sentences.
 * @param {import("./types.js").Context} context
 * @returns {string}
 */
export function objectiveName(context) {
  return String(context.state.get().metric ?? context.study.metric ?? context.study.metrics?.[0]?.name ?? "objective").slice(0, 80);
}

/**
 * @param {import("./types.js").TrialKey} key
 * @returns {string} "trial 17", or the run's name
 */
export function nameOf(key) {
  return typeof key === "number" ? `trial ${key}` : String(key).slice(0, 60);
}

/**
 * The chosen trials with one added, or removed if present.
 * @param {import("./types.js").Context} context
 * @param {import("./types.js").TrialKey} key
 */
export function toggle(context, key) {
  const chosen = chosenOf(context);
  context.choose(chosen.includes(key) ? chosen.filter((other) => other !== key) : [...chosen, key]);
}

/**
 * @param {import("./types.js").Context} context
 * @returns {import("./types.js").TrialKey[]}
 */
export function chosenOf(context) {
  const chosen = context.state.get().trials;
  // Everything in an address is text; trial numbers are converted back here.
  return Array.isArray(chosen) ? chosen.map((key) => (/^\d{1,15}$/.test(String(key)) ? Number(key) : key)) : [];
}

/**
 * The message if there are no trials at all.
 * @param {import("./types.js").Context} context
 * @param {Points} points
 * @returns {string} "" if there are trials
 */
export function nothingToSee(context, points) {
  if (points.count > 0) return "";
  if (points.total > 0) return `No trial matches the search "${String(context.state.get().q ?? "").slice(0, 80)}". Clear it to see all ${points.total}.`;
  return "No trial has started yet. The plot fills by itself as trials start.";
}

/**
 * "120 trials: 100 complete, 20 pruned", and how many match a search.
 * @param {string} query
 * @param {Points} points
 * @returns {string} "" without a search
 */
export function searchNote(query, points) {
  if (points.matching > points.count) return ` Only the first ${points.count} of ${points.matching} trials are drawn.`;
  return query ? ` The search leaves ${points.matching} of ${points.total} trials.` : "";
}
