/**
 * The frame that every plot has: controls, a drawing, a sentence that says what can be seen, and
 * the numbers as a table. All text goes in as text: names and values of a log are never HTML.
 */

import { counted } from "./numbers.js";

/** Maximum rows of a table under a plot, more than a person or a screen reader would go through. */
const MOST_ROWS = 200;

/**
 * A new element with text and attributes.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string>} [attributes] `text` is the content.
 * @param {(Node | string)[]} [children]
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, attributes = {}, children = []) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

let counter = 0;

/**
 * An id that no other element has.
 * @param {string} stem
 */
export function freshId(stem) {
  counter += 1;
  return `plot-${stem}-${counter}`;
}

export class Frame {
  /**
   * @param {HTMLElement} element Emptied, then owned until `close`.
   * @param {string} name Of the plot, such as "slices".
   */
  constructor(element, name) {
    linkStyles();
    const said = freshId("said");
    this.name = name;
    this.controls = make("div", { class: "plot-controls" });
    this.stage = make("div", { class: "plot-stage", role: "group", "aria-labelledby": said });
    this.sentence = make("figcaption", { class: "plot-sentence", id: said, "aria-live": "polite" });
    this.extra = make("div", { class: "plot-extra" });
    this.root = make("figure", { class: `plot plot-${name}` }, [this.controls, this.sentence, this.stage, this.extra]);
    this.element = element;
    element.replaceChildren(this.root);
    /** @type {(() => void)[]} */
    this.cleanups = [];
    this.say("Loading …");
  }

  /**
   * What can be seen, in one or two sentences.
   * @param {string} text
   */
  say(text) {
    if (this.sentence.textContent !== text) this.sentence.textContent = text;
  }

  /**
   * Instead of a drawing: why there is none, and what to do.
   * @param {string} text
   */
  message(text) {
    this.cleanup();
    this.stage.replaceChildren();
    this.extra.replaceChildren();
    this.say(text);
  }

  /**
   * Something to undo before the next drawing, or when the plot is closed.
   * @param {() => void} undo
   */
  onCleanup(undo) {
    this.cleanups.push(undo);
  }

  cleanup() {
    for (const undo of this.cleanups.splice(0)) undo();
  }

  /**
   * The numbers as a table, closed at first; replaces the previous table.
   * @param {string} caption
   * @param {string[]} headers
   * @param {string[][]} rows
   */
  table(caption, headers, rows) {
    const before = this.extra.querySelector("details.plot-data");
    const details = make("details", { class: "plot-data" });
    if (before instanceof HTMLDetailsElement && before.open) details.open = true;
    const shown = rows.slice(0, MOST_ROWS);
    const cut = rows.length > shown.length ? ` (the first ${shown.length} of ${counted(rows.length, "row")})` : "";
    const table = dataTable(caption + cut, headers, shown);
    details.append(make("summary", { text: "The numbers as a table" }), make("div", { class: "plot-scroll", tabindex: "0", role: "region", "aria-label": caption }, [table]));
    if (before) before.replaceWith(details);
    else this.extra.append(details);
  }

  close() {
    this.cleanup();
    this.root.remove();
  }
}

/**
 * @param {string} caption
 * @param {string[]} headers
 * @param {(string | Node)[][]} rows The first of each row names it.
 * @returns {HTMLTableElement}
 */
export function dataTable(caption, headers, rows) {
  const head = make("tr", {}, headers.map((text) => make("th", { scope: "col", text })));
  const body = rows.map((cells) =>
    make("tr", {}, cells.map((cell, index) => (index === 0 ? make("th", { scope: "row" }, [cell]) : make("td", {}, [cell])))),
  );
  return make("table", { class: "plot-table" }, [make("caption", { text: caption }), make("thead", {}, [head]), make("tbody", {}, body)]);
}

/**
 * A labelled choice.
 * @param {string} label
 * @param {{value: string, text: string}[]} choices
 * @param {string} chosen
 * @param {(value: string) => void} onChange
 * @returns {HTMLLabelElement}
 */
export function choice(label, choices, chosen, onChange) {
  const select = make("select", {}, choices.map(({ value, text }) => make("option", { value, text })));
  select.value = chosen;
  select.addEventListener("change", () => onChange(select.value));
  return make("label", { class: "plot-choice" }, [make("span", { text: label }), select]);
}

/** The style sheet of the plots, once per page; a report has its own. */
function linkStyles() {
  if (document.querySelector("[data-plot-styles]")) return;
  const link = make("link", { rel: "stylesheet", href: new URL("plots.css", import.meta.url).href, "data-plot-styles": "" });
  document.head.append(link);
}
