/** Advice on a study in words: what matters, which ranges to try next, whether more trials pay off. */

import { make } from "./plots/frame.js";
import { insightsOf } from "./plots/insights.js";
import { living } from "./plots/living.js";
import { counted, numberOf, percent, short } from "./plots/numbers.js";
import { rangeYaml } from "./plots/yaml.js";

/** Maximum number of pieces of advice; the coordinator gives a handful. */
const MOST = 30;

/** @type {Record<string, string>} */
const TITLES = {
  matters: "What matters",
  little: "What hardly matters",
  edge: "Best at the end of a range",
  more_trials: "Is it worth going on?",
  history: "History",
  pruning: "Pruning",
};

export const draw = living("advice", () => ({}), render);

/** @param {import("./plots/living.js").Turn} turn */
async function render(turn) {
  const { frame, context } = turn;
  const insights = await insightsOf(context);
  if (!turn.current()) return;
  const advice = list(insights.advice).filter((entry) => typeof entry.text === "string" && entry.text);
  const edges = list(insights.edges).filter((entry) => typeof entry.name === "string");
  if (!advice.length && !edges.length && !insights.improvement) {
    return frame.message(insights.why || insights.importance?.why || "There is no advice yet. It comes while the study runs, from about 10 completed trials on.");
  }
  const trials = numberOf(insights.trials);
  frame.say(trials === null ? "What the trials so far suggest." : `What ${counted(trials, "trial")} so far suggest.`);
  const outlook = outlookOf(insights.improvement, advice.some((entry) => entry.kind === "more_trials"));
  const groups = Object.keys(TITLES).flatMap((kind) => {
    const texts = together(advice.filter((entry) => entry.kind === kind));
    if (kind === "more_trials" && outlook) texts.push(outlook);
    return texts.length ? [section(TITLES[kind], texts)] : [];
  });
  const others = advice.filter((entry) => !Object.hasOwn(TITLES, String(entry.kind)));
  if (others.length) groups.push(section("More", others.map((entry) => sentenceOf(String(entry.text)))));
  frame.stage.replaceChildren(...groups, ...ranges(edges, context.columns));
}

/**
 * Texts; the same advice on several parameters is merged into one sentence.
 * @param {any[]} entries
 * @returns {string[]}
 */
export function together(entries) {
  /** @type {Map<string, string[]>} */
  const groups = new Map();
  for (const { parameter, text } of entries) {
    const named = typeof parameter === "string" && text.startsWith(`${parameter} `);
    // A parameter's name keeps its case.
    const begins = typeof parameter === "string" && text.startsWith(parameter);
    const rest = named ? text.slice(parameter.length + 1) : begins ? ended(text) : sentenceOf(text);
    const names = groups.get(rest) ?? [];
    groups.set(rest, named ? [...names, parameter] : names);
  }
  return [...groups].map(([rest, names]) => {
    if (!names.length) return rest;
    if (names.length < 2) return ended(`${names[0]} ${rest}`);
    return ended(`Each of ${names.slice(0, -1).join(", ")} and ${names[names.length - 1]} ${rest}`);
  });
}

/** @param {unknown} given @returns {any[]} */
function list(given) {
  return Array.isArray(given) ? given.filter((entry) => typeof entry === "object" && entry !== null).slice(0, MOST) : [];
}

/**
 * @param {string} title
 * @param {string[]} texts
 */
function section(title, texts) {
  const parts = texts.map((text) => make("p", { class: "plot-text", text: text.slice(0, 600) }));
  return make("section", {}, [make("h3", { text: title }), ...parts]);
}

/** @param {string} text @returns {string} with a capital and a full stop */
function sentenceOf(text) {
  return ended(text.charAt(0).toUpperCase() + text.slice(1));
}

/** @param {string} text @returns {string} with a full stop */
function ended(text) {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/**
 * Whether more trials help, unless the advice already says so.
 * @param {any} improvement
 * @param {boolean} told whether the advice contains the probability and the gain
 * @returns {string}
 */
function outlookOf(improvement, told) {
  if (!improvement || typeof improvement !== "object") return "";
  const chance = numberOf(improvement.chance);
  const next = numberOf(improvement.next_trials);
  const [low, expected, high] = [improvement.low, improvement.expected, improvement.high].map(numberOf);
  const regret = numberOf(improvement.regret);
  const sentences = [];
  if (!told && chance !== null) sentences.push(`The chance that ${next === null ? "more trials find" : `the next ${counted(next, "trial")} ${next === 1 ? "finds" : "find"}`} a better one is about ${percent(chance)}.`);
  if (!told && expected !== null) sentences.push(`Expected gain ${short(expected)}${low !== null && high !== null ? ` (likely between ${short(low)} and ${short(high)})` : ""}.`);
  if (regret !== null) sentences.push(`The best trial is likely at most ${short(regret)} away from the best of this search space.`);
  if (!told && !sentences.length && typeof improvement.why === "string") sentences.push(improvement.why.slice(0, 300));
  return sentences.join(" ");
}

/**
 * Ranges to try, as YAML, for parameters whose best trials are at the edge of their range.
 * @param {any[]} edges
 * @param {import("./plots/types.js").Column[]} columns
 * @returns {HTMLElement[]}
 */
function ranges(edges, columns) {
  const yaml = edges.flatMap((edge) => rangeYaml(edge, typeOf(edge, columns)) ?? []).join("\n");
  if (!yaml) return [];
  const button = make("button", { type: "button", text: "Copy" });
  const said = make("span", { role: "status", class: "plot-note" });
  button.addEventListener("click", () => copied(yaml).then((done) => (said.textContent = done ? " Copied." : " Select the text and copy it: the browser does not allow the button to.")));
  const why = make("p", { class: "plot-text", text: "The best trials lie at the end of these ranges. For the search_space of a new study (this one keeps its own):" });
  return [make("section", { class: "plot-wide" }, [make("h3", { text: "Ranges to try next" }), why, make("pre", { class: "plot-yaml", tabindex: "0", text: yaml }), button, said])];
}

/**
 * @param {any} edge
 * @param {import("./plots/types.js").Column[]} columns
 */
function typeOf(edge, columns) {
  return columns.find((column) => column.key === `params.${edge.name}`)?.type ?? "float";
}

/**
 * @param {string} text
 * @returns {Promise<boolean>} whether it was copied to the clipboard
 */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
