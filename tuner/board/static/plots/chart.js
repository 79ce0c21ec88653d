/** Plotly with one look: our colours in light and dark, sizes that follow the page, no surprises. */

import { GROUNDS } from "./palette.js";
import { plotly } from "./plotly_script.js";

/**
 * Draw with plotly into a place, or redraw what is there.
 * @param {HTMLElement} place
 * @param {import("./living.js").Turn} turn
 * @param {object[]} traces
 * @param {Record<string, any>} layout Over the common layout.
 * @param {(point: any) => void} [onPoint] A point was clicked.
 * @returns {Promise<void>}
 */
export async function chart(place, turn, traces, layout, onPoint) {
  const Plotly = await plotly(turn.context);
  if (!turn.current()) return;
  const ground = GROUNDS[turn.context.theme] ?? GROUNDS.light;
  const plot = /** @type {any} */ (place);
  await Plotly.react(plot, traces, merged(common(ground, place.clientWidth || 640), layout), {
    responsive: true,
    displaylogo: false,
    scrollZoom: false,
    showTips: false,
    modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d", "sendDataToCloud"],
    toImageButtonOptions: { format: "png", scale: 2 },
  });
  if (!turn.current()) return;
  plot.removeAllListeners("plotly_click");
  if (onPoint) plot.on("plotly_click", (/** @type {any} */ event) => event?.points?.[0] && onPoint(event.points[0]));
}

/**
 * The place of a chart within a frame: kept between drawings, so that zoom and focus stay.
 * @param {import("./frame.js").Frame} frame
 * @param {string} [key] If a frame has several.
 * @returns {HTMLElement}
 */
export function placeOf(frame, key = "main") {
  const known = frame.stage.querySelector(`:scope > [data-chart="${key}"]`);
  if (known instanceof HTMLElement) return known;
  const place = document.createElement("div");
  place.className = "plot-chart";
  place.dataset.chart = key;
  frame.stage.append(place);
  return place;
}

/**
 * Frees plotly's resources for a place.
 * @param {HTMLElement} place
 */
export function purge(place) {
  /** @type {any} */ (globalThis).Plotly?.purge(place);
}

/**
 * @param {import("./palette.js").Ground} ground
 * @param {number} width
 */
function common(ground, width) {
  const axis = {
    color: ground.ink,
    gridcolor: ground.line,
    linecolor: ground.line,
    zeroline: false,
    automargin: true,
    title: { standoff: 8 },
    tickfont: { size: 12 },
    exponentformat: "e",
  };
  return {
    autosize: true,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "Roboto, 'Helvetica Neue', Arial, sans-serif", size: 13, color: ground.ink },
    margin: { l: 56, r: width < 500 ? 16 : 32, t: 24, b: 48 },
    xaxis: { ...axis },
    yaxis: { ...axis },
    showlegend: false,
    hovermode: "closest",
    hoverlabel: { bgcolor: ground.page, bordercolor: ground.line, font: { color: ground.ink, size: 13 }, align: "left" },
    dragmode: width < 500 ? false : "zoom",
    uirevision: "kept",
  };
}

/**
 * Plain objects merged in depth; the second wins.
 * @param {any} base
 * @param {any} over
 * @returns {any}
 */
function merged(base, over) {
  const result = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const plain = value && typeof value === "object" && !Array.isArray(value);
    result[key] = plain && base[key] && typeof base[key] === "object" ? merged(base[key], value) : value;
  }
  return result;
}

/**
 * A name for plotly, which interprets some tags as markup: these are neutralized.
 * @param {string} text
 * @returns {string}
 */
export function plain(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
