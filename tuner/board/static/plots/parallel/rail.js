/** One axis as elements: a name that can be dragged or moved by keyboard, and a rail for brushing. */

import { make } from "../frame.js";
import { short } from "../numbers.js";
import { yOf } from "./axes.js";
import { brushOf, inWords, keyed } from "./brushes.js";

/**
 * @typedef {object} Hands What the rail tells.
 * @property {(axis: import("./axes.js").Axis, brush: import("./brushes.js").Brush | null, resting: boolean) => void} brushed
 * @property {(from: number, to: number, resting: boolean) => void} moved
 * @property {(axis: import("./axes.js").Axis) => void} picked
 * @property {(axis: import("./axes.js").Axis) => number} best Place of the best trial.
 */

export class Rail {
  /**
   * @param {import("./axes.js").Axis} axis
   * @param {number} index Of the axis.
   * @param {Hands} hands
   */
  constructor(axis, index, hands) {
    this.axis = axis;
    this.index = index;
    this.hands = hands;
    /** @type {import("./brushes.js").Brush | null} */
    this.brush = null;
    this.name = make("button", { type: "button", class: "parallel-name", title: `${axis.name}: click to colour by it, drag or press the left and right arrow keys to move it` });
    this.name.append(...axis.name.split(/(?<=[./_])/).flatMap((part) => [part, make("wbr")]));
    this.rail = make("div", { class: "parallel-rail", role: "slider", tabindex: "0", "data-axis": axis.column, "aria-orientation": "vertical", "aria-label": `Filter of ${axis.name}`, "aria-valuemin": "0", "aria-valuemax": "100" });
    this.mark = make("div", { class: "parallel-brush", hidden: "" });
    this.root = make("div", { class: "parallel-axis" }, [this.name, this.rail, this.mark]);
    this.listen();
    this.show(null);
  }

  /**
   * @param {import("./axes.js").Geometry} geometry
   * @param {number} index
   */
  place(geometry, index) {
    this.geometry = geometry;
    this.index = index;
    this.root.style.left = `${geometry.xs[index]}px`;
    const gap = geometry.xs.length > 1 ? geometry.xs[1] - geometry.xs[0] : geometry.width;
    this.name.style.width = `${Math.min(gap, 180) - 6}px`;
    this.name.style.top = `${geometry.top - 52}px`;
    this.rail.style.top = `${geometry.top - 4}px`;
    this.rail.style.height = `${geometry.bottom - geometry.top + 8}px`;
    this.show(this.brush);
  }

  /** @param {import("./brushes.js").Brush | null} brush */
  show(brush) {
    this.brush = brush;
    this.mark.hidden = brush === null;
    this.rail.setAttribute("aria-valuetext", inWords(this.axis, brush, short));
    this.rail.setAttribute("aria-valuenow", String(Math.round(50 * ((brush?.from ?? 0) + (brush?.to ?? 1)))));
    if (!brush || !this.geometry) return;
    this.mark.style.left = "-8px";
    this.mark.style.top = `${yOf(this.geometry, brush.to)}px`;
    this.mark.style.height = `${Math.max(3, yOf(this.geometry, brush.from) - yOf(this.geometry, brush.to))}px`;
  }

  listen() {
    this.rail.addEventListener("pointerdown", (event) => this.dragBrush(event));
    this.rail.addEventListener("keydown", (event) => {
      const part = event.shiftKey ? "upper" : event.altKey ? "lower" : "whole";
      const brush = keyed(this.brush, event.key, part, this.hands.best(this.axis));
      if (brush === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.hands.brushed(this.axis, brush, true);
    });
    this.name.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.hands.moved(this.index, this.index + by, true);
      this.name.focus();
    });
    this.name.addEventListener("pointerdown", (event) => this.dragName(event));
    this.name.addEventListener("click", (event) => {
      if (event.detail === 0) this.hands.picked(this.axis); // By keyboard; a pointer's click is distinguished from a drag below.
    });
  }

  /** @param {PointerEvent} event */
  dragBrush(event) {
    if (event.button !== 0 || !this.geometry) return;
    event.preventDefault();
    this.rail.focus();
    const { geometry } = this;
    const box = this.rail.getBoundingClientRect();
    const at = (/** @type {PointerEvent} */ moved) => (box.bottom - 4 - moved.clientY) / (geometry.bottom - geometry.top);
    const start = at(event);
    const held = this.brush;
    const inside = held && start >= held.from && start <= held.to;
    const grip = 0.03;
    let travelled = false;
    const changed = (/** @type {PointerEvent} */ moved) => {
      const now = at(moved);
      if (Math.abs(now - start) > 0.008) travelled = true;
      if (!held || !inside) return brushOf(start, now);
      if (held.to - start < grip) return brushOf(held.from, now) ?? held;
      if (start - held.from < grip) return brushOf(now, held.to) ?? held;
      const by = Math.min(1 - held.to, Math.max(-held.from, now - start));
      return { from: held.from + by, to: held.to + by };
    };
    following(this.rail, event, (moved, resting) => {
      const brush = changed(moved);
      if (!travelled && resting) this.hands.brushed(this.axis, null, true);
      else if (travelled) this.hands.brushed(this.axis, brush, resting);
    });
  }

  /** @param {PointerEvent} event */
  dragName(event) {
    if (event.button !== 0 || !this.geometry) return;
    const parent = this.root.parentElement;
    if (!parent) return;
    let travelled = false;
    following(this.name, event, (moved, resting) => {
      const by = moved.clientX - event.clientX;
      if (Math.abs(by) > 5) travelled = true;
      if (!travelled) {
        if (resting) this.hands.picked(this.axis);
        return;
      }
      this.name.classList.toggle("dragged", !resting);
      const x = moved.clientX - parent.getBoundingClientRect().left;
      const { xs } = /** @type {import("./axes.js").Geometry} */ (this.geometry);
      const to = xs.reduce((best, at, index) => (Math.abs(at - x) < Math.abs(xs[best] - x) ? index : best), 0);
      if (to !== this.index || resting) this.hands.moved(this.index, to, resting);
    });
  }
}

/**
 * Follow a pointer until it is released.
 * @param {HTMLElement} element
 * @param {PointerEvent} first
 * @param {(event: PointerEvent, resting: boolean) => void} tell
 */
function following(element, first, tell) {
  element.setPointerCapture(first.pointerId);
  const move = (/** @type {PointerEvent} */ event) => tell(event, false);
  const end = (/** @type {PointerEvent} */ event) => {
    element.removeEventListener("pointermove", move);
    element.removeEventListener("pointerup", end);
    element.removeEventListener("pointercancel", end);
    tell(event, true);
  };
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", end);
}
