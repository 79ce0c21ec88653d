/** The drawing of parallel coordinates: three canvases, one rail per axis, and one animation loop. */

import { make } from "../frame.js";
import { short, textOf } from "../numbers.js";
import { GROUNDS, rampColour, stateOf } from "../palette.js";
import { nameOf } from "../points.js";
import { bestIndices } from "../sampling.js";
import { geometryOf, moved, nearest } from "./axes.js";
import { select } from "./brushes.js";
import { Lines, drawnOrder, spread } from "./lines.js";
import { Rail } from "./rail.js";
import { paint } from "./top.js";

/** Milliseconds per frame available to lines while something moves. */
const BUDGET = 9;
const SHADES = 24;

/**
 * @typedef {object} Shown
 * @property {import("./axes.js").Axis[]} axes
 * @property {import("../points.js").Points} points
 * @property {import("./axes.js").Axis} objective
 * @property {Uint8Array | null} within
 * @property {Map<string, import("./brushes.js").Brush> | null} brushes null: those that are there stay.
 * @property {"light" | "dark"} theme
 * @property {import("../types.js").TrialKey[]} chosen
 * @property {boolean} maximize
 */

export class Scene {
  /**
   * @param {(resting: boolean) => void} onBrush
   * @param {(keys: string[]) => void} onOrder
   * @param {(key: import("../types.js").TrialKey) => void} onTrial
   */
  constructor(onBrush, onOrder, onTrial) {
    this.onBrush = onBrush;
    this.onOrder = onOrder;
    this.grey = new Lines(make("canvas", { class: "parallel-lines", "aria-hidden": "true" }));
    this.lines = new Lines(make("canvas", { "aria-hidden": "true" }));
    this.topCanvas = make("canvas", { "aria-hidden": "true" });
    this.top = new Lines(this.topCanvas);
    this.tip = make("div", { class: "parallel-tip", hidden: "" });
    this.root = make("div", { class: "parallel" }, [this.grey.canvas, this.lines.canvas, this.topCanvas, this.tip]);
    /** @type {import("./axes.js").Axis[]} */
    this.axes = [];
    /** @type {Map<string, import("./brushes.js").Brush>} */
    this.brushes = new Map();
    /** @type {import("../points.js").Points | null} */
    this.points = null;
    this.kept = 0;
    this.hovered = -1;
    this.held = false; // By a pointer that brushes.
    /** @type {string} Key of the axis that gives the colours. */
    this.colourBy = "objective";
    /** @type {Rail[]} */
    this.rails = [];
    this.frameId = 0;
    this.dirty = { grey: false, lines: false, top: false };
    this.root.addEventListener("pointermove", (event) => this.hover(event));
    this.root.addEventListener("pointerleave", () => this.setHovered(-1));
    this.root.addEventListener("click", (event) => {
      const onLine = event.target instanceof HTMLCanvasElement || event.target === this.root;
      if (onLine && this.hovered >= 0 && this.points) onTrial(this.points.trial[this.hovered]);
    });
  }

  /** @param {Shown} shown */
  show(shown) {
    const same = this.axes.length === shown.axes.length && this.axes.every((axis, index) => axis.column === shown.axes[index].column);
    this.shown = shown;
    this.points = shown.points;
    this.axes = shown.axes;
    if (shown.brushes) this.brushes = shown.brushes;
    if (!this.order || this.order.length !== shown.points.count) this.order = spread(shown.points.count);
    this.selected = new Uint8Array(shown.points.count);
    this.all = new Uint8Array(shown.points.count).fill(1);
    this.best = bestIndices(shown.points.objective, shown.maximize, Math.ceil(shown.points.count / 20));
    if (!same) this.makeRails();
    else this.rails.forEach((rail, index) => (rail.axis = this.axes[index]));
    this.shade();
    this.resize();
  }

  makeRails() {
    const hands = {
      brushed: (/** @type {import("./axes.js").Axis} */ axis, /** @type {import("./brushes.js").Brush | null} */ brush, /** @type {boolean} */ resting) => this.setBrush(axis, brush, resting),
      moved: (/** @type {number} */ from, /** @type {number} */ to, /** @type {boolean} */ resting) => this.move(from, to, resting),
      picked: (/** @type {import("./axes.js").Axis} */ axis) => this.colour(axis),
      best: (/** @type {import("./axes.js").Axis} */ axis) => axis.places[this.best?.[0] ?? 0] ?? 0.5,
    };
    const focused = this.rails.find((rail) => rail.root.contains(document.activeElement));
    const part = document.activeElement === focused?.name ? "name" : "rail";
    for (const rail of this.rails) rail.root.remove();
    this.rails = this.axes.map((axis, index) => new Rail(axis, index, hands));
    this.root.append(...this.rails.map((rail) => rail.root));
    this.rails.find((rail) => rail.axis.column === focused?.axis.column)?.[part].focus();
  }

  resize() {
    if (!this.shown) return;
    this.geometry = geometryOf(Math.max(320, (this.root.parentElement?.clientWidth ?? 800) - 2), this.axes.length);
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    for (const layer of [this.grey, this.lines, this.top]) layer.resize(this.geometry, ratio);
    this.rails.forEach((rail, index) => {
      if (this.geometry) rail.place(this.geometry, index);
      rail.show(this.brushes.get(rail.axis.key) ?? null);
    });
    this.refresh();
    this.ask({ grey: true, lines: true, top: true });
  }

  /** Which trials are kept, after brushes or the search changed. */
  refresh() {
    if (this.selected) this.kept = select(this.axes, this.brushes, this.selected, this.shown?.within ?? null);
  }

  /** One colour per trial, by its place on one axis. */
  shade() {
    const { shown } = this;
    if (!shown) return;
    const axis = this.axes.find((other) => other.key === this.colourBy) ?? shown.objective;
    const turned = axis === shown.objective && !shown.maximize;
    const styles = Array.from({ length: SHADES }, (_, step) => rampColour(step / (SHADES - 1), shown.theme));
    const { absent } = axis.scale;
    this.styles = [...styles, GROUNDS[shown.theme].grey];
    // By rank, not by value: most trials of a good study lie close together at its good end.
    const present = Array.from(axis.places, (_, index) => index).filter((index) => absent === null || axis.places[index] > absent);
    present.sort((a, b) => axis.places[a] - axis.places[b]);
    const shades = new Uint8Array(axis.places.length).fill(SHADES);
    let rank = 0;
    present.forEach((index, place) => {
      if (place > 0 && axis.places[index] !== axis.places[present[place - 1]]) rank = place;
      const share = present.length > 1 ? rank / (present.length - 1) : 1;
      shades[index] = Math.round((turned ? 1 - share : share) * (SHADES - 1));
    });
    this.shades = shades;
    for (const rail of this.rails) rail.name.setAttribute("aria-pressed", String(rail.axis === axis));
  }

  /** @param {import("./axes.js").Axis} axis */
  colour(axis) {
    this.colourBy = this.colourBy === axis.key ? "objective" : axis.key;
    this.shade();
    this.brushesChanged(true);
  }

  /** @returns {string} the axis whose values colour the lines; empty: the objective, the better the stronger */
  colouredBy() {
    const axis = this.axes.find((other) => other.key === this.colourBy);
    return axis && axis !== this.shown?.objective ? axis.name : "";
  }

  clear() {
    this.brushes.clear();
    this.brushesChanged(true);
  }

  /**
   * Brushes as written in the search, which rounds their ends.
   * @param {ReadonlyMap<string, import("./brushes.js").Brush>} brushes
   */
  snap(brushes) {
    for (const [key, brush] of brushes) if (this.brushes.has(key)) this.brushes.set(key, brush);
    for (const rail of this.rails) rail.show(this.brushes.get(rail.axis.key) ?? null);
    this.refresh();
    this.ask({ grey: false, lines: true, top: false });
  }

  /**
   * @param {import("./axes.js").Axis} axis
   * @param {import("./brushes.js").Brush | null} brush
   * @param {boolean} resting
   */
  setBrush(axis, brush, resting) {
    if (brush) this.brushes.set(axis.key, brush);
    else this.brushes.delete(axis.key);
    this.brushesChanged(resting);
  }

  /** @param {boolean} resting */
  brushesChanged(resting) {
    this.held = !resting;
    for (const rail of this.rails) rail.show(this.brushes.get(rail.axis.key) ?? null);
    this.refresh();
    this.ask({ grey: false, lines: true, top: false });
    this.onBrush(resting);
  }

  /**
   * @param {number} from
   * @param {number} to
   * @param {boolean} resting
   */
  move(from, to, resting) {
    if (to < 0 || to >= this.axes.length) return;
    this.axes = moved(this.axes, from, to);
    this.rails = moved(this.rails, from, to);
    this.rails.forEach((rail, index) => this.geometry && rail.place(this.geometry, index));
    this.ask({ grey: true, lines: true, top: true });
    if (resting) this.onOrder(this.axes.map((axis) => axis.key));
  }

  /** @param {PointerEvent} event */
  hover(event) {
    if (!this.geometry || !this.selected || event.buttons) return;
    // Over an axis the pointer brushes instead of selecting a trial.
    if (event.target instanceof HTMLElement && event.target.closest(".parallel-axis")) return this.setHovered(-1);
    const box = this.grey.canvas.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    this.setHovered(nearest(this.axes, this.geometry, this.selected, x, y, 7));
    if (this.hovered < 0) return;
    const right = x < this.geometry.width / 2;
    this.tip.style.left = right ? `${x + 14}px` : "";
    this.tip.style.right = right ? "" : `${this.root.clientWidth - x + 14}px`;
    this.tip.style.top = `${Math.max(0, y - 40)}px`;
  }

  /** @param {number} index */
  setHovered(index) {
    if (index === this.hovered) return;
    this.hovered = index;
    this.root.style.cursor = index >= 0 ? "pointer" : "";
    this.tip.hidden = index < 0;
    if (index >= 0 && this.points) {
      const value = this.points.objective[index];
      const near = this.axes.slice(0, 4).map((axis) => `${axis.name} ${textOf(axis.values[index], 20)}`);
      this.tip.textContent = `${nameOf(this.points.trial[index])}, ${stateOf(this.points.state[index]).word}, ${value === null ? "no objective" : short(value, 6)}. ${near.join(", ")}`;
    }
    this.ask({ grey: false, lines: false, top: true });
  }

  /** @param {{grey: boolean, lines: boolean, top: boolean}} what */
  ask(what) {
    this.dirty = { grey: this.dirty.grey || what.grey, lines: this.dirty.lines || what.lines, top: this.dirty.top || what.top };
    if (!this.frameId) this.frameId = requestAnimationFrame(() => this.drawFrame());
  }

  drawFrame() {
    this.frameId = 0;
    const { shown, geometry, axes, order, selected, all, shades, styles } = this;
    if (!shown || !geometry || !order || !selected || !all || !shades || !styles) return;
    const until = performance.now() + BUDGET;
    const { dirty } = this;
    this.dirty = { grey: false, lines: false, top: false };
    if (dirty.grey) this.grey.begin(axes, geometry, order, new Uint8Array(order.length), [GROUNDS[shown.theme].grey], order.length > 1000 ? 0.12 : 0.4, 0);
    if (dirty.lines) {
      const drawn = drawnOrder(order, selected, this.best ?? []);
      const alpha = Math.min(0.9, Math.max(0.1, 12 / Math.sqrt(this.kept + 1) / 2));
      this.lines.begin(axes, geometry, drawn.order, shades, styles, alpha, drawn.strong);
    }
    if (dirty.top) this.paintTop(shown, geometry);
    this.lines.advance(until);
    if (this.lines.done && !this.grey.done) this.grey.advance(until);
    if (!this.lines.done || !this.grey.done) this.frameId = requestAnimationFrame(() => this.drawFrame());
  }

  /**
   * @param {Shown} shown
   * @param {import("./axes.js").Geometry} geometry
   */
  paintTop(shown, geometry) {
    const index = new Map(shown.points.trial.map((key, place) => [key, place]));
    const chosen = shown.chosen.slice(0, 20).flatMap((key) => {
      const place = index.get(key);
      return place === undefined ? [] : [{ index: place, label: typeof key === "number" ? `#${key}` : key }];
    });
    paint(this.top.pen, this.axes, geometry, shown.theme, chosen, this.hovered);
  }

  close() {
    cancelAnimationFrame(this.frameId);
    this.shown = undefined;
    this.root.remove();
  }
}
