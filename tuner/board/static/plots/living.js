/** The life of a plot: redrawn when its data change, with errors shown as a sentence. */

import { Frame } from "./frame.js";

/**
 * @typedef {object} Turn One drawing.
 * @property {Frame} frame
 * @property {import("./types.js").Context} context
 * @property {() => boolean} current False once a later drawing began or the plot was closed.
 * @property {() => void} again Draws anew, after a control was used.
 */

/**
 * Makes a `draw` function from one that draws once.
 * @template S
 * @param {string} name Of the plot.
 * @param {() => S} settings Initial values of a plot's controls.
 * @param {(turn: Turn, settings: S) => Promise<void>} render
 * @returns {(element: HTMLElement, context: import("./types.js").Context) => import("./types.js").Plot}
 */
export function living(name, settings, render) {
  return (element, context) => {
    const frame = new Frame(element, name);
    const kept = settings();
    let turn = 0;
    let closed = false;
    const update = () => {
      if (closed) return;
      turn += 1;
      const mine = turn;
      const current = () => mine === turn && !closed;
      render({ frame, context, current, again: update }, kept)
        .catch((fault) => current() && frame.message(sentence(fault)))
        .then(() => current() && (element.dataset.drawn = name));
    };
    update();
    const close = () => {
      closed = true;
      frame.close();
    };
    return { update, close };
  };
}

/**
 * The message for an error.
 * @param {unknown} fault
 * @returns {string}
 */
export function sentence(fault) {
  if (fault instanceof TypeError || fault instanceof RangeError) {
    console.error(fault);
    return `This plot could not be drawn (${fault.message}). The table above is not affected; please report it with the name of the study.`;
  }
  return fault instanceof Error && fault.message ? fault.message : "This plot could not be drawn.";
}
