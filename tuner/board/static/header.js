/** The head of the page: the study, its progress, its best trial and why trials failed. */
import { button, el, fill } from './dom.js';
import { causeWord, formatTime, formatValue, reasonLine, visible } from './format.js';
import { rowValue } from './row_value.js';
import { rowId } from './state.js';
import { term } from './query_text.js';
import { byImportance } from './visible_columns.js';

/** @typedef {import('./store.js').State} State */
/** @typedef {import('./types.js').Row} Row */

const COUNTS = /** @type {const} */ ([['complete', 'complete'], ['pruned', 'pruned'], ['fail', 'failed'], ['running', 'running'], ['waiting', 'waiting']]);
const PARAMETERS = 6;
const GROUPS = 3;
const FAILED = 100;

export class Header {
  /**
   * @param {import('./store.js').Store} store
   * @param {import('./session.js').Session} session
   * @param {{open: (id: string) => void}} actions
   */
  constructor(store, session, actions) {
    this.store = store;
    this.session = session;
    this.actions = actions;
    this.study = el('select', { id: 'bt-study', 'aria-label': 'Study', on: { change: () => this._other() } });
    this.counts = el('div', { class: 'bt-counts', role: 'group', 'aria-label': 'Trials by state' });
    this.live = el('span', { class: 'bt-live', role: 'status' });
    this.best = el('p', { class: 'bt-bestline', 'aria-label': 'Best trial' });
    this.failures = el('p', { class: 'bt-failures', 'aria-label': 'Why trials failed', hidden: true });
    this.tools = el('div', { class: 'bt-tools' });
    this.element = el('header', { class: 'bt-header' },
      el('div', { class: 'bt-line' }, el('h1', { class: 'bt-hidden' }, 'Best trials'), this.study, this.counts, this.live, this.tools), this.best, this.failures);
    this.asked = '';
    store.subscribe(['studies', 'study', 'view'], (state) => this._studies(state));
    store.subscribe(['study', 'table'], (state) => this._counts(state));
    store.subscribe(['live', 'heard'], (state) => this._live(state));
    store.subscribe(['study', 'table', 'columns'], (state) => void this._rows(state));
  }

  _other() {
    this.store.look({ study: this.study.value, query: '', sort: '', columns: [], trials: [], open: '', metric: '', goal: '', value: '' });
  }

  /** @param {State} state */
  _studies({ studies, view }) {
    const names = (studies?.studies ?? []).map((study) => study.study);
    const listed = names.includes(view.study) || !view.study ? names : [view.study, ...names];
    const drawn = [...this.study.options].map((option) => option.value);
    if (drawn.join('\n') !== listed.join('\n')) fill(this.study, ...listed.map((name) => el('option', { value: name }, visible(name || studies?.base || 'this directory', 100))));
    this.study.value = view.study;
    this.study.disabled = listed.length < 2;
  }

  /** @param {State} state */
  _counts({ study, table, view }) {
    const counts = study?.counts ?? {};
    const known = COUNTS.filter(([key]) => (counts[key] ?? 0) > 0);
    const shown = this.counts.querySelectorAll('button').length;
    const total = table?.total ?? study?.trials ?? 0;
    const texts = known.map(([key, word]) => `${counts[key]} ${word}`);
    if (shown === known.length && this.counts.dataset['text'] === texts.join() + total + view.study) return;
    this.counts.dataset['text'] = texts.join() + total + view.study;
    fill(this.counts, el('strong', {}, `${total} trial${total === 1 ? '' : 's'}`), ...known.map(([key, word]) =>
      button(`${counts[key]} ${word}`, () => this.store.look({ query: term('state', ':', key) }), { class: 'bt-state', 'data-state': key, title: `Show the ${word} trials only` })));
  }

  /** @param {State} state */
  _live({ live, study, heard }) {
    const state = visible(String(study?.state ?? '').toLowerCase(), 30);
    const words = { loading: 'reading the logs…', live: state && state !== 'running' ? `live, ${state}` : 'live', still: state || 'finished', away: 'TensorBoard does not answer; asking again' };
    this.live.dataset['live'] = live;
    if (this.live.textContent !== words[live]) this.live.textContent = words[live];
    this.live.title = heard ? `last answer ${formatTime(new Date(heard).toISOString())}` : '';
  }

  /** The best trial and the failed ones are requested once per version. @param {State} state */
  async _rows({ study, table, view, columns }) {
    if (!table || table.study !== view.study) return fill(this.best);
    const asked = JSON.stringify([view.study, table.version, view.metric, view.goal, view.value, columns.length]);
    if (asked === this.asked) return undefined;
    this.asked = asked;
    const base = { study: view.study, metric: view.metric, goal: view.goal, value: view.value };
    const failing = (study?.counts?.fail ?? 0) > 0;
    try {
      const [best, failed] = await Promise.all([
        this.session.api.trials({ ...base, limit: 1 }),
        failing ? this.session.api.trials({ ...base, query: 'state:fail', sort: 'trial', order: 'asc', limit: FAILED }) : null,
      ]);
      if (asked !== this.asked) return undefined;
      this._best(best.rows[0] ?? null, state(this.store), best.metric);
      this._failures(failed?.rows ?? [], failed?.matching ?? 0);
    } catch {
      this.asked = '';
    }
    return undefined;
  }

  /** @param {Row|null} row @param {State} state @param {string|null} metric */
  _best(row, { columns }, metric) {
    if (!row || row.objective === null) {
      fill(this.best, 'No trial has a result yet.');
      return;
    }
    const id = rowId(row);
    const parameters = byImportance(columns.filter((column) => column.group === 'param' && !column.constant))
      .map((column) => ({ column, value: rowValue(column, row) }))
      .filter(({ value }) => value !== null && value !== undefined);
    fill(this.best, el('span', { class: 'bt-best' }, 'best'), ' ', button(row.trial === null ? visible(id, 80) : `trial ${id}`, () => this.actions.open(id), { class: 'bt-link' }), ' ',
      el('span', { class: 'bt-metric' }, visible(metric ?? 'objective', 60)), ' ', el('strong', {}, formatValue(row.objective, null, 6)),
      ...parameters.slice(0, PARAMETERS).map(({ column, value }) => el('span', { class: 'bt-pair' }, el('span', {}, visible(column.label, 60)), ' ', el('b', {}, formatValue(value, column)))),
      parameters.length > PARAMETERS ? el('span', { class: 'bt-muted' }, `and ${parameters.length - PARAMETERS} more`) : null);
  }

  /** @param {Row[]} rows @param {number} all */
  _failures(rows, all) {
    this.failures.hidden = rows.length === 0;
    /** @type {Map<string, Row[]>} */
    const groups = new Map();
    for (const row of rows) {
      const why = [causeWord(row.cause) || 'failed', reasonLine(row.reason)].filter(Boolean).join(': ');
      groups.set(why, [...(groups.get(why) ?? []), row]);
    }
    const largest = [...groups].sort((a, b) => b[1].length - a[1].length);
    const shown = largest.slice(0, GROUPS);
    const told = shown.reduce((sum, [, members]) => sum + members.length, 0);
    fill(this.failures, ...shown.map(([why, members]) => el('span', { class: 'bt-group' },
      ...members.slice(0, 3).flatMap((row, at) => [at ? ', ' : row.trial === null ? '' : members.length > 1 ? 'trials ' : 'trial ', button(visible(rowId(row), 60), () => this.actions.open(rowId(row)), { class: 'bt-link', 'aria-label': `trial ${rowId(row)}` })]),
      members.length > 3 ? ` and ${members.length - 3} more` : null, ` – ${why}`)),
    all > told ? button(`all ${all}`, () => this.store.look({ query: 'state:fail' }), { class: 'bt-link' }) : null);
  }
}

/** @param {import('./store.js').Store} store @returns {State} */
function state(store) {
  return store.state;
}
