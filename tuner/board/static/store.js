/** The single place for everything that the screen shows. Parts subscribe to the names they draw. */

import { MOST_CHOSEN } from './state.js';

/** @typedef {import('./types.js').Study} Study */
/** @typedef {import('./types.js').Column} Column */

/**
 * @typedef {object} State
 * @property {import('./state.js').View} view
 * @property {import('./types.js').Studies|null} studies null: not known yet
 * @property {Study|null} study
 * @property {import('./types.js').Table|null} table the newest answer, without its rows
 * @property {Column[]} columns all columns of the study
 * @property {Column[]} shown the columns that are shown, in their order
 * @property {import('./types.js').Theme} theme
 * @property {'loading'|'live'|'still'|'away'} live `away`: the server does not answer
 * @property {number} heard when the server answered last, ms since 1970
 * @property {Error|null} error of the newest question about trials
 * @property {boolean} busy a question is open that changes the table
 */

export class Store {
  /** @param {State} state */
  constructor(state) {
    /** @type {State} */
    this.state = state;
    /** @type {{names: (keyof State)[], draw: (state: State) => void}[]} */
    this._parts = [];
    /** @type {Set<keyof State>} */
    this._changed = new Set();
  }

  /**
   * @param {(keyof State)[]} names
   * @param {(state: State) => void} draw called once after each change of one of them
   */
  subscribe(names, draw) {
    this._parts.push({ names, draw });
  }

  /** @param {Partial<State>} patch subscribers are called when this turn of the event loop ends */
  set(patch) {
    for (const name of /** @type {(keyof State)[]} */ (Object.keys(patch))) {
      if (this.state[name] === patch[name]) continue;
      if (this._changed.size === 0) queueMicrotask(() => this._tell());
      this._changed.add(name);
    }
    this.state = { ...this.state, ...patch };
  }

  /** @param {Partial<import('./state.js').View>} patch */
  look(patch) {
    this.set({ view: { ...this.state.view, ...patch } });
  }

  /** @param {string[]} trials replaces the chosen ones; the first five stay */
  choose(trials) {
    this.look({ trials: [...new Set(trials)].slice(0, MOST_CHOSEN) });
  }

  _tell() {
    const changed = this._changed;
    this._changed = new Set();
    for (const part of this._parts) if (part.names.some((name) => changed.has(name))) part.draw(this.state);
  }
}
