/** Requests and responses over time: the study, its table, and what has changed since. */
import { aborted } from './api.js';
import { isNarrow } from './dom.js';
import { Pages } from './grid/pages.js';
import { rowId } from './state.js';
import { shownColumns } from './visible_columns.js';
import { term } from './query_text.js';

/** @typedef {import('./types.js').Row} Row */
/** @typedef {import('./store.js').State} State */

const LIVE_MS = 2000;
const LOADING_MS = 700;
const AWAY_MS = 5000;
const ASKED = /** @type {const} */ (['study', 'sort', 'query', 'metric', 'goal', 'value']);

export class Session {
  /**
   * @param {import('./api.js').Api} api
   * @param {import('./store.js').Store} store
   * @param {import('./host.js').Host} host
   */
  constructor(api, store, host) {
    this.api = api;
    this.store = store;
    this.host = host;
    this.pages = new Pages((parameters, signal) => api.trials(parameters, signal), {
      answered: (table, first) => this._answered(table, first),
      failed: (error) => this._failed(error),
    });
    this._asked = '';
    /** The study shown in the table. */
    this._of = '';
    /** @type {unknown} the version that was asked for again last */
    this._mark = undefined;
    this._timer = 0;
    store.subscribe(['view'], () => this._follow());
    store.subscribe(['view', 'columns', 'table'], (state) => this._columns(state));
    host.onShown(() => host.shown() && this._again(0));
  }

  /** Load the list of studies, then the table; from then on automatically. */
  async begin() {
    if (this.store.state.view.study) this._follow();
    await this._beat();
  }

  /** @returns {import('./api.js').Parameters} what the table was asked for */
  question() {
    const { view } = this.store.state;
    const { study, query, metric, goal, value } = view;
    const order = view.sort ? (view.sort.startsWith('-') ? 'desc' : 'asc') : '';
    return { study, query, metric, goal, value, sort: view.sort.replace(/^-/, ''), order };
  }

  /**
   * @param {string} id a trial's number, or a run
   * @returns {Promise<Row|null>} null if there is none
   */
  async row(id) {
    for (const row of this.pages.rows()) if (rowId(row) === id) return row;
    const { study, metric, goal, value } = this.question();
    const query = /^\d+$/.test(id) ? term('trial', '=', id) : term('run', '=', id, true);
    const table = await this.api.trials({ study, metric, goal, value, query, limit: 1 });
    return table.rows.find((row) => rowId(row) === id) ?? null;
  }

  /** Reload immediately, regardless of the timer. */
  retry() {
    this._asked = '';
    this._again(0);
  }

  _follow() {
    const { view, studies } = this.store.state;
    if (studies) this.store.set({ study: studies.studies.find((study) => study.study === view.study) ?? null });
    const asked = JSON.stringify(ASKED.map((name) => view[name]));
    if (!view.study || asked === this._asked) return;
    const other = this._of !== view.study;
    [this._asked, this._of] = [asked, view.study];
    this.store.set({ busy: true, error: null, ...(other ? { table: null, columns: [] } : {}) });
    this.pages.ask(this.question());
  }

  /** @param {State} state */
  _columns(state) {
    const shown = shownColumns(state.columns, state.view.columns, state.table?.metric ?? null, state.table?.source, isNarrow());
    const same = shown.length === state.shown.length && shown.every((column, at) => column === state.shown[at]);
    if (!same) this.store.set({ shown });
  }

  /** @param {import('./types.js').Table} table @param {boolean} first */
  _answered(table, first) {
    const { columns } = this.store.state;
    const same = JSON.stringify(columns) === JSON.stringify(table.columns);
    const patch = same ? {} : { columns: table.columns };
    this.store.set({ table, error: null, heard: Date.now(), live: this._state(table), ...patch, ...(first ? { busy: false } : {}) });
  }

  /** @param {unknown} error */
  _failed(error) {
    if (aborted(error)) return;
    const problem = error instanceof Error ? error : new Error(String(error));
    const status = 'status' in problem ? problem.status : 0;
    const away = status === 0;
    // A deleted study has no table; a mere delay keeps the present one.
    const gone = status === 404 ? { table: null, columns: [] } : {};
    this._asked = '';
    this.store.set({ error: problem, busy: false, ...gone, ...(away ? { live: 'away' } : {}) });
  }

  /** One update: the studies, then the table if it has changed. */
  async _beat() {
    clearTimeout(this._timer);
    if (!this.host.shown()) return;
    try {
      const studies = await this.api.studies();
      this._studies(studies);
      const { table, view, error } = this.store.state;
      if (view.study && error) this._follow();
      else if (view.study && table && !this.store.state.busy) {
        const version = this.store.state.study?.version;
        this.store.set({ heard: Date.now(), live: this._state(table) });
        if (table.loading || (version !== table.version && version !== this._mark)) this.pages.refresh();
        this._mark = version;
      }
      this._again(studies.loading || table?.loading ? LOADING_MS : LIVE_MS);
    } catch (error) {
      if (!this.store.state.table) this._failed(error);
      this.store.set({ live: 'away' });
      this._again(AWAY_MS);
    }
  }

  /** @param {import('./types.js').Studies} studies */
  _studies(studies) {
    const { view } = this.store.state;
    const newest = [...studies.studies].sort((a, b) => String(b.updated ?? '').localeCompare(String(a.updated ?? '')))[0];
    const name = view.study || newest?.study || '';
    const found = studies.studies.find((study) => study.study === name) ?? null;
    const same = JSON.stringify(found) === JSON.stringify(this.store.state.study);
    this.store.set({ studies, ...(same ? {} : { study: found }) });
    if (name !== view.study) this.store.look({ study: name });
  }

  /** @param {import('./types.js').Table} table @returns {State['live']} */
  _state(table) {
    const state = String(this.store.state.study?.state ?? '').toLowerCase();
    if (table.loading) return 'loading';
    return ['finished', 'failed', 'cancelled'].includes(state) ? 'still' : 'live';
  }

  /** @param {number} wait ms */
  _again(wait) {
    clearTimeout(this._timer);
    this._timer = window.setTimeout(() => void this._beat(), wait);
  }
}
