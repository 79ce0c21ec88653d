/** Which parameters matter: shares, by the method that the user picks, and its limitations. */

import { choice, make } from "./frame.js";
import { living } from "./living.js";
import { insightsOf } from "./insights.js";
import { counted, numberOf, percent } from "./numbers.js";

/** Maximum number of bars in a list. */
const MOST = 30;

/** @type {Record<string, {name: string, sees: string}>} */
const METHODS = {
  main_effects: {
    name: "Main effects",
    sees: "How much of the objective each parameter explains alone. Quick and steady with few trials. It cannot see what two parameters do only together, and it follows the trials, of which most lie where the sampler looked.",
  },
  ped_anova: {
    name: "Among the best (PED-ANOVA)",
    sees: "How differently a parameter is distributed among the best trials than among all. It sees what decides between good and very good, and each condition by itself. It cannot see pairs, nor what only keeps a trial from being bad.",
  },
  fanova: {
    name: "Share of variance (fANOVA)",
    sees: "How much of the objective's variance over the whole search space a parameter causes, by a random forest; pairs too. It cannot see what is rare: bad regions that the sampler left early weigh as much as the good ones, and parameters that are seldom active weigh little.",
  },
};

export const draw = living("importance", () => ({ method: "" }), render);

/**
 * @param {import("./living.js").Turn} turn
 * @param {{method: string}} settings
 */
async function render(turn, settings) {
  const { frame, context } = turn;
  const insights = await insightsOf(context);
  if (!turn.current()) return;
  const methods = Object.keys(METHODS).filter((name) => parametersOf(insights.importance?.methods?.[name]).length > 0);
  if (!methods.length) {
    return frame.message(insights.importance?.why || insights.why || "The importance is not known yet: it is computed while the study runs, from about 10 completed trials on.");
  }
  const method = methods.includes(settings.method) ? settings.method : methods[0];
  const pick = choice("Method", methods.map((value) => ({ value, text: METHODS[value].name })), method, (value) => ((settings.method = value), turn.again()));
  if (!frame.controls.contains(document.activeElement)) frame.controls.replaceChildren(pick);
  const found = insights.importance.methods[method];
  const parameters = parametersOf(found);
  frame.say(inWords(parameters, numberOf(insights.trials)));
  frame.stage.replaceChildren(make("p", { class: "plot-note", text: METHODS[method].sees }), bars("Parameters", parameters));
  const conditions = entries(found.conditions).map((entry) => ({ name: `${name(entry)} where ${whenOf(entry.when)}`, share: numberOf(entry.share), note: "" }));
  const pairs = entries(found.pairs).map((entry) => ({ name: (Array.isArray(entry.names) ? entry.names : []).map((/** @type {unknown} */ part) => String(part).slice(0, 80)).join(" × "), share: numberOf(entry.share), note: "" }));
  for (const other of Object.keys(METHODS)) {
    const why = methods.includes(other) ? "" : String(insights.importance.methods[other]?.why ?? "").slice(0, 300);
    if (why) frame.stage.append(make("p", { class: "plot-note", text: `${METHODS[other].name}: ${why}.` }));
  }
  if (conditions.length) frame.stage.append(bars("Under each condition", conditions));
  if (pairs.length) frame.stage.append(bars("Pairs, beyond what each does alone", pairs));
}

/**
 * @typedef {object} Bar
 * @property {string} name
 * @property {number | null} share
 * @property {string} note
 */

/** @param {unknown} list @returns {any[]} */
function entries(list) {
  return Array.isArray(list) ? list.filter((entry) => typeof entry === "object" && entry !== null).slice(0, 1000) : [];
}

/** @param {any} entry */
function name(entry) {
  return String(entry.name ?? "?").slice(0, 120);
}

/**
 * @param {any} method
 * @returns {Bar[]} greatest share first
 */
function parametersOf(method) {
  const bars = entries(method?.parameters).map((entry) => {
    const active = numberOf(entry.active);
    return { name: name(entry), share: numberOf(entry.share), note: active !== null && active < 1 ? `active in ${percent(active)} of the trials` : "" };
  });
  return bars.filter((bar) => bar.share !== null).sort((a, b) => Number(b.share) - Number(a.share));
}

/** @param {unknown} when */
function whenOf(when) {
  const parts = Object.entries(when && typeof when === "object" ? when : {}).map(([key, value]) => `${key} = ${Array.isArray(value) ? value.map(String).join(" or ") : String(value)}`);
  return parts.join(" and ").slice(0, 200) || "active";
}

/**
 * @param {Bar[]} parameters
 * @param {number | null} trials
 */
function inWords(parameters, trials) {
  const [first, second] = parameters;
  const from = trials === null ? "" : ` (from ${counted(trials, "trial")})`;
  if (Number(first.share) < 0.005) return `By this method no parameter matters${from}.`;
  const others = second && Number(second.share) >= 0.005;
  const more = others ? `, then ${second.name} with ${percent(second.share)}` : "; by this method nothing else does";
  return `${first.name} matters most: ${percent(first.share)}${more}${from}.`;
}

/**
 * @param {string} title
 * @param {Bar[]} list
 */
function bars(title, list) {
  const sorted = [...list].sort((a, b) => Number(b.share) - Number(a.share));
  const greatest = Math.max(...sorted.map((bar) => Number(bar.share)), 1e-9);
  const items = sorted.slice(0, MOST).map((bar) => {
    const fill = make("div", { class: "plot-bar-fill" });
    fill.style.width = `${(100 * Math.max(0, Number(bar.share))) / greatest}%`;
    const label = make("span", { class: "plot-bar-name" }, [bar.name, ...(bar.note ? [make("span", { class: "plot-note", text: ` ${bar.note}` })] : [])]);
    return make("li", { class: "plot-bar" }, [label, make("div", { class: "plot-bar-track", "aria-hidden": "true" }, [fill]), make("span", { class: "plot-bar-share", text: percent(bar.share) })]);
  });
  const rest = sorted.length > MOST ? [make("p", { class: "plot-note", text: `${sorted.length - MOST} more have less than ${percent(sorted[MOST - 1].share)} each.` })] : [];
  return make("section", {}, [make("h3", { text: title }), make("ul", { class: "plot-list" }, items), ...rest]);
}
