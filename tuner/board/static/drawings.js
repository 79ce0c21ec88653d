/** The row of plots below the table, the comparison of chosen trials and the advice. Each is loaded when it is opened. */
import { button, el, fill } from './dom.js';

/** @typedef {import('./store.js').State} State */
/** @typedef {import('./types.js').Context} Context */
/** @typedef {import('./types.js').Drawing} Drawing */

/** @type {[string, string][]} */
const PLOTS = [['best_so_far', 'Best so far'], ['curves', 'Learning curves'], ['parallel', 'Parallel coordinates'], ['slices', 'Effect of each parameter'], ['importance', 'Importance'], ['pareto', 'Pareto front'], ['history', 'History'], ['compare', 'Compare']];

export class Drawings {
  /**
   * @param {import('./store.js').Store} store
   * @param {import('./api.js').Api} api
   * @param {(trials: (string|number)[]) => void} choose
   */
  constructor(store, api, choose) {
    this.store = store;
    this.api = api;
    this.choose = choose;
    this.tabs = el('div', { role: 'tablist', class: 'bt-tabs', 'aria-label': 'Plots', on: { keydown: (event) => this._key(/** @type {KeyboardEvent} */ (event)) } });
    this.advice = el('section', { class: 'bt-advice', 'aria-label': 'Advice' });
    this.panel = el('div', { role: 'tabpanel', id: 'bt-plot', class: 'bt-plot', tabindex: 0, hidden: true });
    this.element = el('section', { class: 'bt-plots', 'aria-label': 'Plots and advice' }, this.advice, this.tabs, this.panel);
    /** @type {Drawing|null} */
    this.drawing = null;
    /** @type {Drawing|null|undefined} undefined: not asked for yet */
    this.advising = undefined;
    this.opened = '';
    this.said = '';
    store.subscribe(['view', 'table', 'study', 'columns', 'theme', 'live'], (state) => this._show(state));
  }

  /** @returns {Context|null} null: no study yet */
  _context() {
    const { view, study, columns, theme, table } = this.store.state;
    if (!study || !table) return null;
    return { api: this.api, state: view, study, columns, theme, choose: this.choose };
  }

  /** @param {State} state */
  _show(state) {
    const { view, study } = state;
    const context = this._context();
    this.element.hidden = !context;
    const open = PLOTS.some(([name]) => name === view.plot) ? view.plot : '';
    const several = (study?.metrics?.length ?? 0) > 1;
    const said = JSON.stringify([open, several, view.trials.length >= 2]);
    if (said !== this.said) this._tabs(open, several, view.trials.length >= 2);
    this.said = said;
    if (!context) return;
    const key = open ? `${open} ${view.study}` : '';
    if (key !== this.opened) void this._open(open, key, context);
    else if (this.drawing?.update) void this._guard(() => this.drawing?.update?.(context));
    if (this.advising === undefined) void this._advise(context);
    else void this._guard(() => this.advising?.update?.(context));
  }

  /** @param {string} open @param {boolean} several @param {boolean} comparable */
  _tabs(open, several, comparable) {
    const focused = this.tabs.contains(document.activeElement) ? document.activeElement?.id : null;
    const shown = PLOTS.filter(([name]) => (name !== 'pareto' || several || open === name) && (name !== 'compare' || comparable || open === name));
    fill(this.tabs, ...shown.map(([name, label], at) => button(label, () => this.store.look({ plot: open === name ? '' : name }), {
      role: 'tab', id: `bt-tab-${name}`, 'aria-selected': String(open === name), 'aria-controls': 'bt-plot', tabindex: (open ? open === name : at === 0) ? 0 : -1,
    })));
    if (focused) document.getElementById(focused)?.focus();
    this.panel.hidden = !open;
    if (open) this.panel.setAttribute('aria-labelledby', `bt-tab-${open}`);
  }

  /** @param {string} name @param {string} key @param {Context} context */
  async _open(name, key, context) {
    this.opened = key;
    this.drawing?.destroy?.();
    this.drawing = null;
    if (!name) return fill(this.panel);
    const area = el('div', { class: 'bt-drawing' }, el('p', { class: 'bt-muted', role: 'status' }, 'Drawing…'));
    fill(this.panel, area);
    try {
      const module = await import(name === 'compare' ? './compare.js' : `./plots/${name}.js`);
      if (this.opened !== key) return undefined;
      fill(area);
      const drawing = (await module.draw(area, this._context() ?? context)) ?? null;
      if (this.opened === key) this.drawing = drawing;
      else drawing?.destroy?.();
    } catch (error) {
      if (this.opened === key) this._failed(error, name, context);
    }
    return undefined;
  }

  /** @param {unknown} error @param {string} name @param {Context} context */
  _failed(error, name, context) {
    fill(this.panel, el('p', { role: 'alert' }, `This plot cannot be drawn: ${error instanceof Error ? error.message : String(error)}. `, button('Try again', () => void this._open(name, this.opened, context), { class: 'bt-button' })));
  }

  /** @param {Context} context */
  async _advise(context) {
    this.advising = null;
    await this._guard(async () => {
      const module = await import('./advice.js');
      this.advising = (await module.draw(this.advice, context)) ?? null;
    });
  }

  /** @param {() => void|Promise<void>} act a fault in a plot is that plot's */
  async _guard(act) {
    try {
      await act();
    } catch (error) {
      console.warn('Best trials: a drawing failed', error);
    }
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    const tabs = /** @type {HTMLElement[]} */ ([...this.tabs.children]);
    const at = tabs.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    tabs[to % tabs.length]?.focus();
  }
}
