/** The life of a plot: drawn again when its data change, and a fault becomes a sentence. */

import { Frame } from "./frame.js";

/**
 * @typedef {object} Turn One drawing.
 * @property {Frame} frame
 * @property {import("./types.js").Context} context
 * @property {() => boolean} current False once a later drawing began or the plot was closed.
 * @property {() => void} again Draws anew, after a control was used.
 */

/**
 * A `draw` out of a function that draws once.
 * @template S
 * @param {string} name Of the plot.
 * @param {() => S} settings What the controls of one plot hold, at first.
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
 * What to tell a person of a fault.
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
