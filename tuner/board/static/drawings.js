/** The row of plots below the table, the comparison of chosen trials and the advice. Each is loaded when it is opened. */
import { button, el, fill } from './dom.js';
import { PLOTS } from './plots/catalogue.js';

/** @typedef {import('./store.js').State} State */
/** @typedef {import('./plots/types.js').Context} Context */
/** @typedef {import('./plots/types.js').Plot} Plot */
/** @typedef {{draw: (element: HTMLElement, context: Context) => Plot}} Module */

const COMPARE = 'compare';

export class Drawings {
  /**
   * @param {import('./store.js').Store} store
   * @param {import('./api.js').Api} api
   */
  constructor(store, api) {
    this.store = store;
    this.api = api;
    this.tabs = el('div', { role: 'tablist', class: 'bt-tabs', 'aria-label': 'Plots', on: { keydown: (event) => this._key(/** @type {KeyboardEvent} */ (event)) } });
    this.advice = el('section', { class: 'bt-advice', 'aria-label': 'Advice', 'data-part': 'advice' });
    this.panel = el('div', { role: 'tabpanel', id: 'bt-plot', class: 'bt-plot', tabindex: 0, hidden: true });
    this.element = el('section', { class: 'bt-plots', 'aria-label': 'Plots and advice' }, el('h2', { class: 'bt-hidden' }, 'Plots and advice'), this.advice, this.tabs, this.panel);
    /** @type {Context|null} one object: its properties change, then the drawings are notified */
    this.context = null;
    /** @type {Plot|null} */
    this.drawing = null;
    /** @type {Plot|null} */
    this.advising = null;
    this.opened = '';
    this.advised = '';
    this.said = '';
    this.seen = '';
    this.advisable = '';
    this.away = false;
    store.subscribe(['view', 'table', 'study', 'columns', 'theme', 'live'], (state) => this._show(state));
  }

  /** @param {State} state */
  _show(state) {
    const { view, study, table, columns, theme, live } = state;
    // Load what was unavailable while TensorBoard was away.
    const back = this.away && live !== 'away';
    this.away = live === 'away';
    const known = Boolean(study && table);
    this.element.hidden = !known;
    const open = view.plot === COMPARE || PLOTS.some((plot) => plot.name === view.plot) ? view.plot : '';
    this._tabs(open, state);
    if (!study || !table) return;
    this.context ??= context(this.store, this.api, study);
    Object.assign(this.context, { study: { ...study, goal: table.goal ?? study.goal, metric: table.metric ?? study.metric, version: table.version }, columns, theme });
    // Not redrawn for changes that no drawing shows: the order of the table, an opened trial.
    const seen = JSON.stringify([view.study, view.query, view.trials, view.metric, view.goal, view.value, theme, table.version, columns.length, study.updated]);
    const advisable = JSON.stringify([theme, table.version]);
    if (open && `${open} ${view.study}` !== this.opened) void this._open(open, view.study, this.seen !== '');
    else if (!open) this._close();
    else if (seen !== this.seen || back) this.drawing?.update();
    if (this.advised !== view.study) void this._advise(view.study);
    else if (advisable !== this.advisable || back) this.advising?.update();
    [this.seen, this.advisable] = [seen, advisable];
  }

  /** @param {string} open @param {State} state */
  _tabs(open, { view, study, columns }) {
    const shown = PLOTS.filter((plot) => open === plot.name || (study && plot.needs(study_(study), columns) === '')).map(({ name, label }) => ({ name, label }));
    if (view.trials.length > 1 || open === COMPARE) shown.push({ name: COMPARE, label: `Compare ${view.trials.length || ''}`.trim() });
    const said = JSON.stringify([open, shown]);
    if (said === this.said) return;
    this.said = said;
    const focused = this.tabs.contains(document.activeElement) ? document.activeElement?.id : null;
    fill(this.tabs, ...shown.map(({ name, label }, at) => button(label, () => this.store.look({ plot: open === name ? '' : name }), {
      role: 'tab', id: `bt-tab-${name}`, 'data-plot': name, 'aria-selected': String(open === name), 'aria-controls': 'bt-plot', tabindex: (open ? open === name : at === 0) ? 0 : -1,
    })));
    if (focused) document.getElementById(focused)?.focus();
    this.panel.hidden = !open;
    if (open) this.panel.setAttribute('aria-labelledby', `bt-tab-${open}`);
  }

  /** @param {string} name @param {string} study @param {boolean} [scroll] whether the user has just opened it */
  async _open(name, study, scroll = false) {
    this._close();
    const key = `${name} ${study}`;
    this.opened = key;
    const area = el('div', { 'data-part': name === COMPARE ? COMPARE : 'plot' }, el('p', { class: 'bt-muted', role: 'status' }, 'Drawing…'));
    fill(this.panel, area);
    if (scroll) this.tabs.scrollIntoView({ block: 'start' });
    try {
      const module = await load(name);
      if (this.opened !== key || !this.context) return;
      fill(area);
      this.drawing = module.draw(area, this.context);
    } catch (error) {
      if (this.opened !== key) return;
      const said = error instanceof Error ? error.message : String(error);
      fill(area, el('p', { role: 'alert' }, `This plot cannot be loaded: ${said}. `, button('Try again', () => void this._open(name, study), { class: 'bt-button' })));
    }
  }

  _close() {
    this.opened = '';
    this.drawing?.close();
    this.drawing = null;
    fill(this.panel);
  }

  /** @param {string} study */
  async _advise(study) {
    this.advised = study;
    this.advising?.close();
    this.advising = null;
    fill(this.advice);
    try {
      const module = await import('./advice.js');
      if (this.advised === study && this.context) this.advising = module.draw(this.advice, this.context);
    } catch (error) {
      console.warn('Best trials: no advice', error);
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

/** @param {string} name @returns {Promise<Module>} */
async function load(name) {
  if (name === COMPARE) return import('./compare.js');
  const plot = PLOTS.find((one) => one.name === name);
  if (!plot) throw new Error(`there is no plot ${name}`);
  return plot.load();
}

/**
 * @param {import('./store.js').Store} store
 * @param {import('./api.js').Api} api
 * @param {import('./types.js').Study} study
 * @returns {Context}
 */
function context(store, api, study) {
  /** @param {string} route @returns {import('./plots/types.js').Ask} */
  const ask = (route) => (query) => api.get(route, query);
  /** @param {(string|number)[]} trials */
  const choose = (trials) => store.choose(trials.map(String));
  return {
    api: { points: ask('points'), curves: ask('curves'), importance: ask('importance'), compare: ask('compare') },
    state: {
      get: () => {
        const { query, trials, metric, goal, value } = store.state.view;
        return { q: query, trials, metric: metric || undefined, goal: goal || undefined, value: value || undefined };
      },
      set: ({ q, trials }) => {
        if (q !== undefined) store.look({ query: q });
        if (trials) choose(trials);
      },
    },
    study: study_(study), columns: store.state.columns, theme: store.state.theme, choose,
  };
}

/** @param {import('./types.js').Study} study @returns {import('./plots/types.js').Study} in the form used by plots */
function study_(study) {
  return /** @type {import('./plots/types.js').Study} */ (/** @type {unknown} */ (study));
}
