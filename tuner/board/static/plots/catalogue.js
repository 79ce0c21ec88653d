/** The list of plots. Small: a plot's own module is loaded when it is opened. */

/**
 * @typedef {object} Entry
 * @property {string} name As in the URL.
 * @property {string} label
 * @property {() => Promise<{draw: (element: HTMLElement, context: import("./types.js").Context) => import("./types.js").Plot}>} load
 * @property {(study: import("./types.js").Study, columns: import("./types.js").Column[]) => string} needs
 *   "" where the plot has something to show, else a sentence why not.
 */

const always = () => "";

/** @type {Entry[]} */
export const PLOTS = [
  { name: "progress", label: "Best so far", load: () => import("./progress.js"), needs: always },
  { name: "curves", label: "Learning curves", load: () => import("./curves.js"), needs: always },
  { name: "parallel", label: "Parallel coordinates", load: () => import("./parallel/parallel.js"), needs: always },
  { name: "slices", label: "Effect of each parameter", load: () => import("./slices.js"), needs: always },
  { name: "importance", label: "Importance", load: () => import("./importance.js"), needs: tunerOnly },
  { name: "pareto", label: "Pareto front", load: () => import("./pareto.js"), needs: severalMetrics },
  { name: "history", label: "History", load: () => import("./history.js"), needs: tunerOnly },
];

/** @param {import("./types.js").Study} study */
function tunerOnly(study) {
  return study.source === "hparams" ? "These logs were not written by Tuner, which computes this while a study runs." : "";
}

/**
 * @param {import("./types.js").Study} study
 * @param {import("./types.js").Column[]} columns
 */
function severalMetrics(study, columns) {
  const metrics = Math.max(study.metrics?.length ?? 0, columns.filter((column) => column.group === "metric").length);
  return metrics > 1 ? "" : "The study has one metric, so the best trial is the first of the table. A front needs two.";
}
