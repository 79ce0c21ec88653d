/** The row of plots below the table, the comparison of chosen trials and the advice. Each is loaded when it is opened. */
import { button, el, fill } from './dom.js';
import { PLOTS } from './plots/catalogue.js';

/** @typedef {import('./store.js').State} State */
/** @typedef {import('./plots/types.js').Context} Context */
/** @typedef {import('./plots/types.js').Plot} Plot */

/** @type {Pick<import('./plots/catalogue.js').Entry, 'name'|'label'|'load'>} */
const COMPARE = { name: 'compare', label: 'Compare', load: () => import('./compare.js') };
const DRAWINGS = [...PLOTS, COMPARE];

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
    this.advice = el('section', { class: 'bt-advice', 'aria-label': 'Advice', 'data-part': 'advice' });
    this.panel = el('div', { role: 'tabpanel', id: 'bt-plot', class: 'bt-plot', tabindex: 0, hidden: true });
    /** @type {Context|null} one object: what it holds changes */
    this.context = null;
    this.element = el('section', { class: 'bt-plots', 'aria-label': 'Plots and advice' }, this.advice, this.tabs, this.panel);
    /** @type {Plot|null} */
    this.drawing = null;
    /** @type {Plot|null|undefined} undefined: not asked for yet */
    this.advising = undefined;
    this.opened = '';
    this.said = '';
    store.subscribe(['view', 'table', 'study', 'columns', 'theme', 'live'], (state) => this._show(state));
  }

  /** @returns {Context|null} null: no study yet */
  _context() {
    const { study, columns, theme, table } = this.store.state;
    if (!study || !table) return null;
    const looked = { ...study, goal: table.goal ?? study.goal, metric: table.metric ?? study.metric, version: table.version };
    const now = { study: /** @type {import('./plots/types.js').Study} */ (looked), columns, theme };
    this.context ??= { ...now, api: routes(this.api), state: this._view(), choose: this.choose };
    return Object.assign(this.context, now);
  }

  /** @returns {Context['state']} the address, as plots read and write it */
  _view() {
    return {
      get: () => {
        const { query, trials, metric, goal, value } = this.store.state.view;
        return { q: query, trials, metric: metric || undefined, goal: goal || undefined, value: value || undefined };
      },
      set: ({ q, trials }) => {
        if (q !== undefined) this.store.look({ query: q });
        if (trials) this.choose(trials);
      },
    };
  }

  /** @param {State} state */
  _show(state) {
    const { view } = state;
    const context = this._context();
    this.element.hidden = !context;
    const open = DRAWINGS.some(({ name }) => name === view.plot) ? view.plot : '';
    const useless = context ? PLOTS.filter((plot) => plot.needs(context.study, context.columns)).map(({ name }) => name) : [];
    if (view.trials.length < 2) useless.push(COMPARE.name);
    const said = JSON.stringify([open, useless]);
    if (said !== this.said) this._tabs(open, useless);
    this.said = said;
    if (!context) return;
    const key = open ? `${open} ${view.study}` : '';
    if (key !== this.opened) void this._open(open, key, context);
    else this.drawing?.update();
    if (this.advising === undefined) void this._advise(context);
    else this.advising?.update();
  }

  /** @param {string} open @param {string[]} useless drawings with nothing to show */
  _tabs(open, useless) {
    const focused = this.tabs.contains(document.activeElement) ? document.activeElement?.id : null;
    const shown = DRAWINGS.filter(({ name }) => open === name || !useless.includes(name));
    fill(this.tabs, ...shown.map(({ name, label }, at) => button(label, () => this.store.look({ plot: open === name ? '' : name }), {
      role: 'tab', 'data-plot': name, id: `bt-tab-${name}`, 'aria-selected': String(open === name), 'aria-controls': 'bt-plot', tabindex: (open ? open === name : at === 0) ? 0 : -1,
    })));
    if (focused) document.getElementById(focused)?.focus();
    this.panel.hidden = !open;
    if (open) this.panel.setAttribute('aria-labelledby', `bt-tab-${open}`);
  }

  /** @param {string} name @param {string} key @param {Context} context */
  async _open(name, key, context) {
    this.opened = key;
    this.drawing?.close();
    this.drawing = null;
    if (!name) return fill(this.panel);
    const area = el('div', { class: 'bt-drawing', 'data-part': name === COMPARE.name ? 'compare' : 'plot' }, el('p', { class: 'bt-muted', role: 'status' }, 'Drawing…'));
    fill(this.panel, area);
    try {
      const module = await DRAWINGS.find((drawing) => drawing.name === name)?.load();
      if (this.opened === key && module) this.drawing = module.draw(area, context);
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
      this.advising = module.draw(this.advice, context);
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

/**
 * The questions of the plots, each a method.
 * @param {import('./api.js').Api} api
 * @returns {import('./plots/types.js').Api}
 */
function routes(api) {
  const ask = (/** @type {string} */ route) => (/** @type {import('./plots/types.js').Query} */ query) => api.get(route, query);
  return { points: ask('points'), curves: ask('curves'), importance: ask('importance'), compare: ask('compare') };
}
