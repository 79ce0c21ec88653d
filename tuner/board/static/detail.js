/** One trial in full: how it ended and why, every parameter, and links to other views. */
import { button, el, fill } from './dom.js';
import { causeWord, exactValue, formatDuration, formatTime, formatValue, visible, visibleLines } from './format.js';
import { badge } from './grid/cells.js';
import { commands, copy, curvesHash, fileOf } from './links.js';
import { rowValue } from './row_value.js';
import { rowId } from './state.js';
import { byImportance } from './visible_columns.js';

/** @typedef {import('./types.js').Row} Row */
/** @typedef {import('./store.js').State} State */

const FILES = /** @type {const} */ ([['config.json', 'config.json'], ['output.log', 'output'], ['trial.json', 'trial.json']]);

export class Detail {
  /**
   * @param {import('./store.js').Store} store
   * @param {import('./session.js').Session} session
   * @param {import('./host.js').Host} host
   * @param {{closed: () => void, choose: (id: string) => void}} actions
   */
  constructor(store, session, host, actions) {
    this.store = store;
    this.session = session;
    this.host = host;
    this.actions = actions;
    this.element = el('aside', { class: 'bt-detail', role: 'region', 'aria-label': 'Trial', 'data-part': 'detail', tabindex: -1, hidden: true });
    this.wanted = '';
    this.drawn = '';
    store.subscribe(['view', 'table', 'columns'], (state) => void this._show(state));
  }

  close() {
    const inside = this.element.contains(document.activeElement);
    this.store.look({ open: '' });
    if (inside) this.actions.closed();
  }

  /** @returns {boolean} */
  isOpen() {
    return this.store.state.view.open !== '';
  }

  /** @param {string} id of the trial opened by keyboard: it gets the focus once drawn */
  takeFocus(id) {
    this.wanted = id;
    if (this.store.state.view.open === id) this.element.focus();
  }

  /** @param {State} state */
  async _show({ view, table }) {
    this.element.hidden = !view.open;
    if (!view.open || !table) {
      this.drawn = '';
      return;
    }
    const id = view.open;
    try {
      const row = await this.session.row(id);
      if (this.store.state.view.open !== id) return;
      const key = JSON.stringify([view.study, row, view.trials.includes(id), this.store.state.columns.length]);
      if (key !== this.drawn) row ? this._draw(row, this.store.state) : this._missing(id);
      this.drawn = key;
      if (this.wanted === id) this.element.focus({ preventScroll: true });
      this.wanted = '';
    } catch (error) {
      this._missing(id, error);
    }
  }

  /** @param {string} id @param {unknown} [error] */
  _missing(id, error) {
    fill(this.element, this._title(`Trial ${visible(id, 60)}`), el('p', {}, error instanceof Error ? visible(error.message) : 'This study has no such trial.'));
  }

  /** @param {Row} row @param {State} state */
  _draw(row, { view, columns, table }) {
    const id = rowId(row);
    const name = row.trial === null ? visible(row.run, 120) : `Trial ${row.trial}`;
    this.element.setAttribute('aria-label', name);
    this.element.dataset['trial'] = id;
    const why = [causeWord(row.cause), visibleLines(row.reason ?? '')].filter(Boolean);
    const facts = [row.rank ? `rank ${row.rank}` : '', row.history ? 'proposed by history' : '', formatDuration(row.duration_s), row.attempts && row.attempts > 1 ? `${row.attempts} attempts` : '', row.started ? `started ${formatTime(row.started)}` : ''].filter(Boolean);
    const failed = ['fail', 'failed'].includes(String(row.state).toLowerCase());
    fill(this.element, this._title(name),
      el('p', {}, badge(row), ' ', row.objective === null ? 'no objective' : el('span', {}, `${visible(table?.metric ?? 'objective', 60)} `, el('strong', {}, exactValue(row.objective)))),
      why.length ? el('div', { class: failed ? 'bt-why bt-bad' : 'bt-why' }, el('strong', {}, failed ? 'Why it failed: ' : 'Why: '), el('span', {}, why.join(': '))) : null,
      el('p', { class: 'bt-muted' }, facts.join(' · ')),
      this._links(row, view.study),
      table_('Parameters', byImportance(columns.filter((column) => column.group === 'param')), (column) => rowValue(column, row)),
      table_('Metrics', columns.filter((column) => column.group === 'metric'), (column) => rowValue(column, row)),
      button(view.trials.includes(id) ? 'Chosen: take it out' : 'Choose to compare', () => this.actions.choose(id), { class: 'bt-button' }));
  }

  /** @param {string} name @returns {HTMLElement} */
  _title(name) {
    return el('div', { class: 'bt-title' }, el('h2', {}, name), button('×', () => this.close(), { class: 'bt-mini', 'aria-label': 'Close details' }));
  }

  /** @param {Row} row @param {string} study @returns {HTMLElement} */
  _links(row, study) {
    const { api } = this.session;
    const own = this.store.state.table?.source !== 'hparams';
    const curves = el('a', { href: this.host.page() + curvesHash(study, [row]), target: '_top', on: { click: (event) => this._curves(/** @type {MouseEvent} */ (event), row) } }, 'curves in TIME SERIES');
    const said = commands(study, row);
    return el('div', { class: 'bt-links' },
      el('p', {}, curves, ...(own ? FILES.flatMap(([file, label]) => [' · ', el('a', { href: api.url('file', fileOf(study, row, file)), target: '_blank', rel: 'noopener' }, label)]) : [])),
      ...(said && own ? [said.show, said.reproduce] : []).map((command) => commandLine(command)));
  }

  /** @param {MouseEvent} event @param {Row} row */
  _curves(event, row) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    void this.host.timeSeries([row.run]);
  }
}

/**
 * @param {string} command
 * @returns {HTMLElement} the command with a button that copies it
 */
function commandLine(command) {
  const line = el('div', { class: 'bt-command' }, el('code', {}, visible(command)));
  const copier = button('Copy', async () => {
    copier.textContent = (await copy(command, line)) ? 'Copied' : 'Press Ctrl+C';
    setTimeout(() => (copier.textContent = 'Copy'), 2000);
  }, { class: 'bt-mini', 'aria-label': `Copy: ${visible(command)}` });
  line.append(copier);
  return line;
}

/**
 * @param {string} title
 * @param {import('./types.js').Column[]} columns
 * @param {(column: import('./types.js').Column) => import('./types.js').Value|undefined} value
 * @returns {HTMLElement|null}
 */
function table_(title, columns, value) {
  const known = columns.map((column) => ({ column, value: value(column) })).filter((one) => one.value !== null && one.value !== undefined);
  if (known.length === 0) return null;
  return el('div', {}, el('h3', {}, title), el('dl', { class: 'bt-values' }, ...known.slice(0, 500).flatMap((one) => [
    el('dt', {}, visible(one.column.label, 120)), el('dd', {}, el('bdi', { class: typeof one.value === 'boolean' ? 'bt-bool' : null }, typeof one.value === 'number' ? exactOf(one.value, one.column) : formatValue(one.value, one.column)))])));
}

/** @param {number} value @param {import('./types.js').Column} column @returns {string} every digit, `1.0` of floats */
function exactOf(value, column) {
  const text = exactValue(value);
  return column.type === 'float' && /^-?\d+$/.test(text) ? `${text}.0` : text;
}
