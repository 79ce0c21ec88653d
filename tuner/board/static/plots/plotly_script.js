/** Plotly's script: 1.5 MB compressed, so it is loaded once and only when a plot needs it. */

/** @type {Promise<any> | null} */
let loading = null;

/**
 * Plotly itself.
 * @param {import("./types.js").Context} context
 * @returns {Promise<any>} rejects with a sentence if the server has no plotly
 */
export function plotly(context) {
  const here = /** @type {any} */ (globalThis).Plotly;
  if (here) return Promise.resolve(here);
  loading ??= loaded(context.api.plotlyUrl ?? new URL("plotly.js", document.baseURI).href).catch((fault) => {
    loading = null; // The next plot tries again: a server that was away may be back.
    throw fault;
  });
  return loading;
}

/**
 * @param {string} url
 * @returns {Promise<any>}
 */
function loaded(url) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = url;
    script.onload = () => {
      const here = /** @type {any} */ (globalThis).Plotly;
      if (here) resolve(here);
      else reject(new Error("The plot's script came, but it is not plotly. Install the package plotly 7 where TensorBoard runs, then open the plot again."));
    };
    script.onerror = () => {
      script.remove();
      reject(
        new Error("This plot needs the package plotly where TensorBoard runs, and the server has none or is away. The table, the importance and parallel coordinates work without it."),
      );
    };
    document.head.append(script);
  });
}
