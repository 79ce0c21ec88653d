/** Two to five trials side by side: what differs first, then their curves. */

import { draw as drawCurves } from "./plots/curves.js";
import { dataTable, make } from "./plots/frame.js";
import { living } from "./plots/living.js";
import { counted, numberOf, textOf } from "./plots/numbers.js";
import { chosenOf, nameOf } from "./plots/points.js";
import { stateOf } from "./plots/palette.js";

const MOST = 5;
/** Maximum number of rows of a table. */
const ROWS = 300;

export const draw = living("compare", () => ({ curves: /** @type {import("./plots/types.js").Plot | null} */ (null), of: "" }), render);

/**
 * @param {import("./plots/living.js").Turn} turn
 * @param {{curves: import("./plots/types.js").Plot | null, of: string}} settings
 */
async function render(turn, settings) {
  const { frame, context } = turn;
  const chosen = chosenOf(context);
  if (chosen.length < 2) return frame.message(`Choose two to five trials in the table to compare them${chosen.length ? `; ${nameOf(chosen[0])} is chosen` : ""}.`);
  const keys = chosen.slice(0, MOST);
  const answer = await context.api.compare({ study: context.study.study, trials: keys.join(",") });
  if (!turn.current()) return;
  const trials = list(answer?.trials).slice(0, MOST);
  const heads = trials.length ? trials.map((trial) => headOf(trial)) : keys.map(nameOf);
  const cut = chosen.length > MOST ? ` The first ${MOST} of ${chosen.length} chosen are compared.` : "";
  const tables = [facts(trials, heads), part("Parameters", "name", answer?.params, heads), part("Configuration", "path", answer?.config, heads), part("Environment", "path", answer?.environment, heads)];
  const differing = list(answer?.params).filter((row) => differs(row.values)).length;
  frame.say(`${heads.join(", ")}: ${differing ? `${counted(differing, "parameter")} ${differing === 1 ? "differs" : "differ"}` : "the parameters are the same"}.${cut}`.replace(/^t/, "T"));
  let place = frame.stage.querySelector(".compare-curves");
  const wanted = JSON.stringify(keys);
  if (!(place instanceof HTMLElement)) {
    place = make("div", { class: "compare-curves" });
    settings.of = "";
  }
  frame.stage.replaceChildren(...tables.flatMap((table) => table ?? []), make("h3", { text: "Learning curves" }), place);
  if (settings.of && settings.curves) return settings.curves.update();
  settings.curves = drawCurves(/** @type {HTMLElement} */ (place), context);
  settings.of = wanted;
  frame.onCleanup(() => {
    settings.curves?.close();
    settings.curves = null;
    settings.of = "";
  });
}

/** @param {unknown} given @returns {any[]} */
function list(given) {
  return Array.isArray(given) ? given.filter((entry) => entry !== null && entry !== undefined) : [];
}

/** @param {any} trial A number, a run's name or a row. */
function headOf(trial) {
  if (typeof trial !== "object") return nameOf(typeof trial === "number" ? trial : String(trial));
  return nameOf(numberOf(trial.trial) ?? String(trial.run ?? "run"));
}

/**
 * State and objective of each, if the response has them.
 * @param {any[]} trials
 * @param {string[]} heads
 */
function facts(trials, heads) {
  const rows = trials.filter((trial) => typeof trial === "object");
  if (!rows.length) return null;
  const known = [
    ["State", ...rows.map((row) => stateOf(row.state).word)],
    ["Objective", ...rows.map((row) => (row.objective === null || row.objective === undefined ? "none" : textOf(row.objective)))],
  ];
  return [make("div", { class: "plot-scroll", tabindex: "0", role: "region", "aria-label": "Outcome" }, [dataTable("Outcome", ["", ...heads], known)])];
}

/** @param {unknown} values */
function differs(values) {
  const texts = new Set((Array.isArray(values) ? values : []).map((value) => JSON.stringify(value ?? null)));
  return texts.size > 1;
}

/**
 * @param {string} title
 * @param {"name" | "path"} key
 * @param {unknown} given
 * @param {string[]} heads
 */
function part(title, key, given, heads) {
  // Rows without any value are omitted.
  const all = list(given).filter((row) => list(row.values).length > 0);
  if (!all.length) return title === "Parameters" ? [make("h3", { text: title }), make("p", { text: "These trials have no parameters." })] : null;
  const sorted = [...all.filter((row) => differs(row.values)), ...all.filter((row) => !differs(row.values))].slice(0, ROWS);
  const absent = title === "Parameters" ? "inactive" : "absent";
  const rows = sorted.map((row) => {
    const other = differs(row.values);
    const cells = heads.map((_, index) => {
      const value = row.values?.[index];
      return make("span", { class: other ? "plot-differs" : "", text: value === null || value === undefined ? absent : textOf(value, 200) });
    });
    return [make("span", { text: `${other ? "≠\u00a0" : ""}${String(row[key] ?? "?").slice(0, 200)}` }), ...cells];
  });
  const cut = all.length > ROWS ? `, the first ${ROWS} of ${all.length}` : "";
  const caption = `${title}: what differs comes first, marked ≠${cut}`;
  return [make("h3", { text: title }), make("div", { class: "plot-scroll", tabindex: "0", role: "region", "aria-label": caption }, [dataTable(caption, ["", ...heads], rows)])];
}
