/** Draws the plots of a report that was saved as one file: all its data are in the page. */

import { PLOTS } from "../plots/catalogue.js";

/**
 * @typedef {object} Saved
 * @property {import("../plots/types.js").Study} study
 * @property {import("../plots/types.js").Column[]} columns
 * @property {any} points
 * @property {any} curves
 * @property {any} importance
 */

/** @returns {Saved} */
function saved() {
  return JSON.parse(document.getElementById("report-data")?.textContent ?? "{}");
}

/** Plotly is embedded compressed in the page; it defines `Plotly`, which the plots use. */
async function unpackPlotly() {
  const packed = document.getElementById("plotly")?.textContent ?? "";
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}

/**
 * The responses that a server would give.
 * @param {Saved} data
 * @returns {import("../plots/types.js").Context}
 */
function contextOf(data) {
  const absent = async () => {
    throw new Error("A saved report does not hold this; open the study with: tuner board");
  };
  return {
    api: {
      points: async () => data.points,
      curves: async () => data.curves,
      importance: async () => data.importance,
      compare: absent,
    },
    state: { get: () => ({}), set: () => {} },
    study: data.study,
    columns: data.columns,
    theme: "light",
    choose: () => {},
    saved: true,
  };
}

async function drawAll() {
  const data = saved();
  const context = contextOf(data);
  const places = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-plot]")]);
  try {
    await unpackPlotly();
  } catch {
    for (const place of places) {
      place.textContent = "This browser cannot unpack the plots: open the report in a newer one.";
    }
    return;
  }
  for (const place of places) {
    const entry = PLOTS.find(({ name }) => name === place.dataset.plot);
    const why = entry?.needs(data.study, data.columns) ?? "";
    if (!entry || why) {
      place.closest("section")?.remove();
      continue;
    }
    (await entry.load()).draw(place, context);
  }
}

await drawAll();
