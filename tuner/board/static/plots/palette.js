/**
 * Colours of the plots, on a light and on a dark ground. The states' colours are Okabe and Ito's
 * (2008), which people with any colour vision tell apart; a symbol and a word always go with them.
 */

/**
 * @typedef {object} State
 * @property {string} word
 * @property {string} symbol Plotly's name of the marker.
 * @property {string} sign The same marker as a character, for tables and sentences.
 * @property {{light: string, dark: string}} colour
 */

/** @type {Record<string, State>} */
export const STATES = {
  complete: { word: "complete", symbol: "circle", sign: "●", colour: { light: "#0072b2", dark: "#56b4e9" } },
  pruned: { word: "pruned", symbol: "diamond-open", sign: "◇", colour: { light: "#9a6700", dark: "#e69f00" } },
  fail: { word: "failed", symbol: "x-thin-open", sign: "✕", colour: { light: "#c43c00", dark: "#ff8a5c" } },
  running: { word: "running", symbol: "triangle-up-open", sign: "△", colour: { light: "#007a5a", dark: "#2fd3a5" } },
  waiting: { word: "waiting", symbol: "square-open", sign: "□", colour: { light: "#5f6368", dark: "#b0b4ba" } },
};

const UNKNOWN = { word: "state unknown", symbol: "hash-open", sign: "?", colour: { light: "#5f6368", dark: "#b0b4ba" } };

/**
 * The state named by a word in a response.
 * @param {unknown} word
 * @returns {State}
 */
export function stateOf(word) {
  const name = String(word ?? "").toLowerCase();
  const key = name === "failed" || name === "killed" ? "fail" : name;
  return Object.hasOwn(STATES, key) ? STATES[key] : UNKNOWN;
}

/**
 * @typedef {object} Ground
 * @property {string} page
 * @property {string} ink
 * @property {string} soft Words of less weight; contrast 4.5 or more.
 * @property {string} line
 * @property {string} grey Lines and points behind those that matter.
 * @property {string} accent
 */

/** @type {{light: Ground, dark: Ground}} */
export const GROUNDS = {
  light: { page: "#ffffff", ink: "#202124", soft: "#5f6368", line: "#d4d7dc", grey: "#b9bec5", accent: "#b3005e" },
  dark: { page: "#303030", ink: "#f1f3f4", soft: "#bdc1c6", line: "#55585c", grey: "#74787e", accent: "#ff8cc6" },
};

/** Colours of chosen trials, whose lines are also labelled. */
const CHOSEN = {
  light: ["#0072b2", "#c43c00", "#007a5a", "#8a4fa0", "#9a6700"],
  dark: ["#56b4e9", "#ff8a5c", "#2fd3a5", "#d9a3e8", "#e69f00"],
};

/**
 * @param {number} index Which of the chosen trials, from 0.
 * @param {"light" | "dark"} theme
 * @returns {string}
 */
export function chosenColour(index, theme) {
  const colours = CHOSEN[theme];
  return colours[index % colours.length];
}

/** Viridis in seven steps: lightness alone conveys the order. */
const RAMP = [
  [68, 1, 84],
  [70, 50, 126],
  [54, 92, 141],
  [39, 127, 142],
  [31, 161, 135],
  [74, 193, 109],
  [253, 231, 37],
];

/**
 * The colour for a position in a range; the good end stands out from the background.
 * @param {number} share 0 (worst) to 1 (best).
 * @param {"light" | "dark"} theme
 * @returns {string}
 */
export function rampColour(share, theme) {
  const good = Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0));
  const at = (theme === "dark" ? 0.12 + 0.88 * good : 0.9 * (1 - good)) * (RAMP.length - 1);
  const low = Math.min(RAMP.length - 2, Math.floor(at));
  const mixed = RAMP[low].map((part, channel) => Math.round(part + (RAMP[low + 1][channel] - part) * (at - low)));
  return `rgb(${mixed.join(",")})`;
}
