/** How much earlier studies had a say in each proposal, and how far they were trusted. */

import { chart, placeOf, plain } from "./chart.js";
import { living } from "./living.js";
import { insightsOf } from "./insights.js";
import { counted, numberOf, percent } from "./numbers.js";
import { GROUNDS, chosenColour } from "./palette.js";
import { nameOf, toggle } from "./points.js";

export const draw = living("history", () => ({}), render);

/** @param {import("./living.js").Turn} turn */
async function render(turn) {
  const { frame, context } = turn;
  const insights = await insightsOf(context);
  if (!turn.current()) return;
  const rows = read(insights.history);
  if (!rows.length) return frame.message("No earlier study had a say in this one: none fits its search space, or its spec says `history: none`.");
  const last = rows[rows.length - 1];
  const proposed = rows.filter((row) => row.byHistory);
  const trust = last.trust === null ? "" : `, trusted to ${percent(last.trust)}`;
  frame.say(`In ${nameOf(last.trial)} history had ${percent(last.share)} of the say${trust}. It proposed ${counted(proposed.length, "trial")} of ${rows.length} by itself.`);
  const { theme } = context;
  const line = (/** @type {"share" | "trust"} */ key, /** @type {number} */ colour, /** @type {string} */ dash) => ({
    type: "scatter",
    mode: rows.length > 1 ? "lines" : "markers",
    x: rows.map((row) => row.trial),
    y: rows.map((row) => row[key]),
    line: { width: 2.2, dash, color: chosenColour(colour, theme) },
    marker: { size: 9, color: chosenColour(colour, theme) },
    hovertext: rows.map((row) => `${nameOf(row.trial)}<br>${key} ${percent(row[key])}`),
    hoverinfo: "text",
  });
  const marks = {
    type: "scatter",
    mode: "markers",
    x: proposed.map((row) => row.trial),
    y: proposed.map(() => -0.06),
    marker: { symbol: "line-ns-open", size: 10, line: { width: 1.5, color: GROUNDS[theme].accent }, color: GROUNDS[theme].accent },
    hovertext: proposed.map((row) => `${nameOf(row.trial)}: proposed by history`),
    hoverinfo: "text",
  };
  const layout = {
    margin: { r: 110 },
    xaxis: { title: { text: "trial (number)" } },
    yaxis: { title: { text: "history's part" }, range: [-0.1, 1.05], tickvals: [0, 0.25, 0.5, 0.75, 1], ticktext: ["0 %", "25 %", "50 %", "75 %", "100 %"] },
    annotations: labels(rows, theme),
  };
  await chart(placeOf(frame), turn, [line("share", 0, "solid"), line("trust", 1, "dash"), marks], layout, (point) => toggle(context, point.x));
  if (!turn.current()) return;
  frame.table("History's part in each trial", ["Trial", "Share", "Trust", "Proposed by history"], rows.map((row) => [nameOf(row.trial), percent(row.share), percent(row.trust), row.byHistory ? "yes" : "no"]));
}

/**
 * @typedef {object} Row
 * @property {number} trial
 * @property {number | null} share
 * @property {number | null} trust
 * @property {boolean} byHistory
 */

/**
 * @param {unknown} given
 * @returns {Row[]} by trial
 */
function read(given) {
  if (!Array.isArray(given)) return [];
  const rows = given.slice(0, 20_000).flatMap((entry) => {
    const trial = numberOf(entry?.trial);
    return trial === null ? [] : [{ trial, share: numberOf(entry.share), trust: numberOf(entry.trust), byHistory: entry.proposed_by_history === true }];
  });
  return rows.sort((a, b) => a.trial - b.trial);
}

/**
 * @param {Row[]} rows
 * @param {"light" | "dark"} theme
 */
function labels(rows, theme) {
  const last = rows[rows.length - 1];
  const [share, trust] = [last.share ?? 0, last.trust ?? 0];
  const near = Math.abs(share - trust) < 0.07;
  const label = (/** @type {string} */ text, /** @type {number} */ y, /** @type {string} */ colour) => ({ x: 1.01, xref: "paper", xanchor: "left", y, text: plain(text), showarrow: false, font: { color: colour, size: 12 } });
  return [
    label("share of the say", near ? Math.max(share, trust) + (share >= trust ? 0.04 : -0.04) : share, chosenColour(0, theme)),
    label("trust", near ? Math.max(share, trust) + (share >= trust ? -0.04 : 0.04) : trust, chosenColour(1, theme)),
    label("proposed by it", -0.06, GROUNDS[theme].accent),
  ];
}
