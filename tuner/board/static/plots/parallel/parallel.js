/** Parallel coordinates: one line per trial, one axis per parameter, with brushes that search the table. */

import { Frame, choice, make } from "../frame.js";
import { sentence } from "../living.js";
import { counted } from "../numbers.js";
import { chosenOf, isMaximized, nothingToSee, objectiveName, pointsOf, toggle } from "../points.js";
import { axisOf, candidates, shownColumns } from "./axes.js";
import { read, written } from "./filter.js";
import { Scene } from "./scene.js";

/** Milliseconds without a change after which brushes become a search. */
const REST = 200;

/**
 * @param {HTMLElement} element
 * @param {import("../types.js").Context} context
 * @returns {import("../types.js").Plot}
 */
export function draw(element, context) {
  const plot = new Parallel(element, context);
  plot.update();
  return { update: () => plot.update(), close: () => plot.close() };
}

class Parallel {
  /**
   * @param {HTMLElement} element
   * @param {import("../types.js").Context} context
   */
  constructor(element, context) {
    this.context = context;
    this.frame = new Frame(element, "parallel");
    /** @type {string[] | null} Keys of the columns shown besides the objective; null: not chosen yet. */
    this.asked = null;
    this.turn = 0;
    this.picked = false; // An axis was just added or removed.
    this.closed = false;
    /** @type {string | null} The search that the brushes wrote last. */
    this.wrote = null;
    /** @type {number | undefined} */
    this.timer = undefined;
    /** @type {string[]} Order of the axes, once moved by hand. */
    this.order = [];
    this.scene = new Scene(
      (resting) => this.brushed(resting),
      (keys) => {
        this.order = keys;
      },
      (key) => {
        toggle(this.context, key);
      },
    );
    /** @type {Window} */ (document.defaultView).addEventListener("resize", this.resized);
  }

  resized = () => this.scene.resize();

  update() {
    if (this.closed) return;
    this.turn += 1;
    const mine = this.turn;
    const current = () => mine === this.turn && !this.closed;
    this.render(current)
      .catch((fault) => current() && this.frame.message(sentence(fault)))
      .then(() => current() && (this.frame.element.dataset.drawn = "parallel"));
  }

  /** @param {() => boolean} current */
  async render(current) {
    const { context, frame } = this;
    const columns = shownColumns(context.columns, this.asked, frame.root.clientWidth || 800);
    // Chosen once: a scroll bar that appears must not remove an axis.
    if (columns.length) this.asked ??= columns.map((column) => column.key);
    if (!columns.length && !candidates(context.columns).length) {
      return frame.message(context.columns.length ? "The trials have no parameters, so there are no axes." : "Loading …");
    }
    const points = await pointsOf(context, columns.map((column) => column.key));
    if (!current()) return;
    const nothing = nothingToSee(context, points);
    if (nothing) return frame.message(nothing);
    const objective = axisOf({ key: "objective", label: objectiveName(context), group: "metric", type: "float", log: null }, points.objective);
    const axes = this.arranged([...columns.map((column) => axisOf(column, points.columns[column.key])), objective]);
    const search = context.state.get().q ?? "";
    const held = read(search, axes);
    const rest = held.rest ? await this.left(held.rest, points) : null;
    if (!current()) return;
    if (!this.scene.root.isConnected || this.scene.root.parentElement !== frame.stage) frame.stage.replaceChildren(this.scene.root);
    // What the user is doing now is newer than the address.
    const keep = search === this.wrote || this.scene.held || this.timer !== undefined;
    const brushes = keep ? null : held.brushes;
    this.scene.show({ axes, points, objective, within: rest, brushes, theme: context.theme, chosen: chosenOf(context), maximize: isMaximized(context) });
    this.controls(columns);
    this.say();
  }

  /**
   * Trials that match the words of the search other than brushes.
   * @param {string} query
   * @param {import("../points.js").Points} points
   */
  async left(query, points) {
    const matching = new Set((await pointsOf(this.context, [], query)).trial);
    return Uint8Array.from(points.trial, (key) => (matching.has(key) ? 1 : 0));
  }

  /** @param {import("./axes.js").Axis[]} axes */
  arranged(axes) {
    const rank = (/** @type {import("./axes.js").Axis} */ axis) => {
      const place = this.order.indexOf(axis.key);
      return place < 0 ? this.order.length : place;
    };
    return this.order.length ? axes.map((axis) => axis).sort((a, b) => rank(a) - rank(b)) : axes;
  }

  /** @param {boolean} resting */
  brushed(resting) {
    this.say();
    window.clearTimeout(this.timer);
    this.timer = undefined;
    if (resting) this.timer = window.setTimeout(() => this.write(), REST);
  }

  write() {
    this.timer = undefined;
    const search = this.context.state.get().q ?? "";
    const next = written(search, this.scene.axes, this.scene.brushes);
    if (this.closed || next === search) return;
    this.scene.snap(read(next, this.scene.axes).brushes);
    this.say();
    this.wrote = next;
    this.context.state.set({ q: next });
  }

  say() {
    const { kept, brushes, points } = this.scene;
    if (!points) return;
    const by = this.scene.colouredBy();
    const stronger = this.context.theme === "dark" ? "brighter" : "darker";
    const shade = `the ${stronger}, the ${by ? `higher ${by.slice(0, 60)}` : "better"}`;
    const shown = this.context.saved ? "." : "; the search shows them in the table.";
    const how = brushes.size
      ? `${counted(kept, "trial")} of ${points.count} cross ${brushes.size === 1 ? "the brush" : `all ${brushes.size} brushes`}${shown}${by ? ` Colour: ${shade}.` : ""}`
      : `${counted(points.count, "trial")}, one line each; ${shade}. Drag along an axis to keep only the trials that cross there.`;
    this.frame.say(how);
  }

  /** @param {import("../types.js").Column[]} shown */
  controls(shown) {
    const { frame } = this;
    const held = [...frame.controls.children].findIndex((part) => part.contains(document.activeElement));
    // An open list of choices must not vanish while it is used.
    if (held >= 0 && !this.picked) return;
    this.picked = false;
    const more = candidates(this.context.columns).filter((column) => !shown.includes(column));
    const label = (/** @type {import("../types.js").Column} */ column) => ({ value: column.key, text: `${column.label}${column.constant ? " (one value)" : ""}`.slice(0, 80) });
    const set = (/** @type {string[]} */ keys) => {
      this.asked = keys;
      this.picked = true;
      this.update();
    };
    const keys = shown.map((column) => column.key);
    const clear = make("button", { type: "button", text: "Clear brushes" });
    clear.addEventListener("click", () => this.scene.clear());
    const parts = [clear];
    const none = { value: "", text: "choose …" };
    if (more.length) frame.controls.replaceChildren(choice("Add an axis", [none, ...more.slice(0, 500).map(label)], "", (key) => key && set([...keys, key])));
    else frame.controls.replaceChildren();
    if (shown.length > 1) frame.controls.append(choice("Leave out", [none, ...shown.map(label)], "", (key) => key && set(keys.filter((other) => other !== key))));
    frame.controls.append(...parts, make("span", { class: "plot-note", text: "Keys on an axis: Enter brushes, arrows move, Shift or Alt with them moves one end, Escape clears." }));
    /** @type {HTMLElement | null | undefined} */ (frame.controls.children[held]?.querySelector("select"))?.focus();
  }

  close() {
    this.closed = true;
    window.clearTimeout(this.timer);
    window.removeEventListener("resize", this.resized);
    this.scene.close();
    this.frame.close();
  }
}
