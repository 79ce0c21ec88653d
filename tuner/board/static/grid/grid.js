/** The leaderboard: a WAI-ARIA grid that holds only the rows in view. */
import { el, fill, isNarrow } from '../dom.js';
import { rowId } from '../state.js';
import { headCell } from './head.js';
import { movedPlace } from './keys.js';
import { CHOOSE, stickyLefts, widths } from './layout.js';
import { RowElement } from './row.js';

/** @typedef {import('../types.js').Column} Column */
/** @typedef {import('../types.js').Row} Row */
/** @typedef {import('../store.js').State} State */

const AROUND = 8;
export const HEAD_HEIGHT = 46;

/**
 * @typedef {object} GridActions
 * @property {(row: Row) => void} choose
 * @property {(row: Row, byKey: boolean) => void} open by keyboard: the focus moves too
 * @property {(column: Column) => void} sort
 * @property {(column: Column, anchor: HTMLElement) => void} filter
 * @property {(key: string, before: string) => void} place
 * @property {(key: string, by: number) => void} move
 */

export class Grid {
  /**
   * @param {import('./pages.js').Pages} pages
   * @param {GridActions} actions
   */
  constructor(pages, actions) {
    this.pages = pages;
    this.actions = actions;
    this.rowHeight = matchMedia('(pointer: coarse)').matches ? 40 : 30;
    this.head = el('div', { role: 'row', 'aria-rowindex': 1, class: 'bt-row bt-head' });
    this.body = el('div', { role: 'rowgroup', class: 'bt-body' });
    this.element = el('div', {
      role: 'grid', class: 'bt-grid', 'aria-label': 'Trials, best first', 'aria-multiselectable': 'true', style: `--row:${this.rowHeight}px;--head:${HEAD_HEIGHT}px`,
      on: { scroll: () => this._draw(), keydown: (event) => this._key(/** @type {KeyboardEvent} */ (event)), focusin: (event) => this._focused(event) },
    }, el('div', { role: 'rowgroup', class: 'bt-heads' }, this.head), this.body);
    /** @type {Map<number, RowElement>} */
    this.rows = new Map();
    /** @type {Column[]} */
    this.columns = [];
    /** @type {Set<string>} */
    this.chosen = new Set();
    this.opened = '';
    /** @type {string|null} */
    this.metric = null;
    this.active = { row: -1, column: 0 };
    this.headKey = '';
    /** @type {number[]} */
    this.wide = [];
    new ResizeObserver(() => this._draw()).observe(this.element);
  }

  /** Draw the store's state. @param {State} state */
  show(state) {
    const { view, table } = state;
    const metric = table?.metric ?? null;
    this.metric = metric;
    this.chosen = new Set(view.trials);
    this.opened = view.open;
    this.element.setAttribute('aria-busy', String(state.busy));
    if (this.columns !== state.shown) this._layout(state.shown);
    const headKey = JSON.stringify([view.sort, view.query, metric, state.shown.map((column) => [column.key, column.share])]);
    if (headKey !== this.headKey) this._heads({ sort: view.sort, query: view.query, metric });
    this.headKey = headKey;
    this._draw();
  }

  /** Show the result of another query from the top. */
  top() {
    this.element.scrollTop = 0;
    const narrow = isNarrow();
    const wide = widths(this.columns, this.pages.rows(), this.metric, narrow);
    // Another order may only change the widths; if it does not, the rows are kept.
    if (wide.some((width, at) => width > (this.wide[at] ?? 0) || width < (this.wide[at] ?? 0) * 0.7)) this._layout(this.columns);
  }

  /** @param {Column[]} columns */
  _layout(columns) {
    this.columns = columns;
    const narrow = isNarrow();
    const wide = widths(columns, this.pages.rows(), this.metric, narrow);
    this.wide = wide;
    this.lefts = stickyLefts(columns, wide, narrow);
    this.element.style.setProperty('--columns', [CHOOSE, ...wide].map((width) => `${width}px`).join(' '));
    this.element.style.setProperty('--wide', `${wide.reduce((sum, width) => sum + width, CHOOSE)}px`);
    this.element.setAttribute('aria-colcount', String(columns.length + 1));
    for (const [index, row] of this.rows) this._drop(index, row);
    this.headKey = '';
  }

  /** @param {{sort: string, query: string, metric: string|null}} state */
  _heads(state) {
    const focused = this.head.contains(document.activeElement);
    const corner = el('div', { role: 'columnheader', 'aria-colindex': 1, 'aria-label': 'Choose', tabindex: -1, class: 'bt-cell bt-choose', style: 'left:0px', title: 'Choose up to 5 trials to compare' }, el('span', { class: 'bt-hidden' }, 'Choose'));
    fill(this.head, corner, ...this.columns.map((column, at) => this._stick(headCell(column, at + 2, state, {
      sort: this.actions.sort, filter: this.actions.filter, place: (moved, before) => this.actions.place(moved.key, before.key),
    }), at)));
    this._tabStop();
    if (focused) this._cell()?.focus();
  }

  /** @param {HTMLElement} cell @param {number} at @returns {HTMLElement} */
  _stick(cell, at) {
    const left = this.lefts?.[at];
    if (typeof left === 'number') {
      cell.classList.add('bt-stick');
      cell.style.left = `${left}px`;
    }
    return cell;
  }

  _draw() {
    const { scrollTop, clientHeight } = this.element;
    const count = this.pages.matching;
    this.body.style.height = `${count * this.rowHeight}px`;
    this.element.setAttribute('aria-rowcount', String(count + 1));
    const first = Math.max(0, Math.floor(scrollTop / this.rowHeight) - AROUND);
    const last = Math.min(count - 1, Math.ceil((scrollTop + clientHeight) / this.rowHeight) + AROUND);
    this.pages.need(first, last);
    if (this.active.row >= count) this.active.row = count - 1;
    const wanted = new Set([this.active.row]);
    for (let index = first; index <= last; index += 1) wanted.add(index);
    wanted.delete(-1);
    const free = [...this.rows].filter(([index]) => !wanted.has(index));
    for (const index of wanted) {
      if (!this.rows.has(index)) this._place(index, free.pop());
      this._drawRow(index);
    }
    for (const [index, row] of free) this._drop(index, row);
    this._tabStop();
  }

  /** @param {number} index @param {[number, RowElement]} [free] a row that is out of view, to be reused */
  _place(index, free) {
    if (free) this.rows.delete(free[0]);
    const element = free?.[1] ?? new RowElement(this.columns, (cell, at) => this._stick(cell, at), this.actions);
    element.place(index, index * this.rowHeight);
    this.rows.set(index, element);
    if (!free) this.body.append(element.element);
  }

  /** @param {number} index */
  _drawRow(index) {
    const row = this.pages.row(index);
    const id = row ? rowId(row) : '';
    this.rows.get(index)?.show(row, { chosen: this.chosen.has(id), open: id !== '' && id === this.opened });
  }

  /** @param {number} index @param {RowElement} row */
  _drop(index, row) {
    row.element.remove();
    this.rows.delete(index);
  }

  /** @returns {HTMLElement|undefined} the active cell */
  _cell() {
    const row = this.active.row < 0 ? this.head : this.rows.get(this.active.row)?.element;
    return /** @type {HTMLElement|undefined} */ (row?.children[this.active.column]);
  }

  _tabStop() {
    const cell = this._cell();
    if (cell?.tabIndex === 0) return;
    for (const old of this.element.querySelectorAll('[tabindex="0"]')) old.setAttribute('tabindex', '-1');
    cell?.setAttribute('tabindex', '0');
  }

  /** @param {Event} event */
  _focused(event) {
    const cell = /** @type {HTMLElement} */ (event.target).closest('[aria-colindex]');
    const row = cell?.parentElement;
    if (!cell || !row) return;
    this.active = { row: Number(row.getAttribute('aria-rowindex')) - 2, column: [...row.children].indexOf(cell) };
    this._tabStop();
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    const page = Math.max(1, Math.floor((this.element.clientHeight - HEAD_HEIGHT) / this.rowHeight) - 1);
    const next = movedPlace(event, this.active, { rows: this.pages.matching, columns: this.columns.length + 1, page });
    if (next) this.focus(next);
    else if (!this._act(event)) return;
    event.preventDefault();
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether the key was handled */
  _act(event) {
    const column = this.columns[this.active.column - 1];
    const cell = this._cell();
    if (this.active.row < 0) {
      if (!column || !cell || event.target !== cell) return false;
      if (event.key === 'Enter' || event.key === ' ') this.actions.sort(column);
      else if ((event.altKey && event.key === 'ArrowDown') || event.key === 'f') this.actions.filter(column, cell);
      else if (event.shiftKey && event.key === 'ArrowLeft') this._move(column, -1);
      else if (event.shiftKey && event.key === 'ArrowRight') this._move(column, 1);
      else return false;
      return true;
    }
    const row = this.pages.row(this.active.row);
    if (!row || !cell) return false;
    if (event.key === ' ') this.actions.choose(row);
    else if (event.key === 'Enter') this.actions.open(row, true);
    else return false;
    return true;
  }

  /** @param {Column} column @param {number} by */
  _move(column, by) {
    const to = this.active.column + by;
    if (to < 1 || to > this.columns.length) return;
    this.active = { row: -1, column: to };
    this.actions.move(column.key, by);
  }

  /** @param {{row: number, column: number}} place brought into view, drawn and focused */
  focus(place) {
    this.active = place;
    const top = place.row * this.rowHeight;
    const room = this.element.clientHeight - HEAD_HEIGHT;
    if (place.row >= 0 && top < this.element.scrollTop) this.element.scrollTop = top;
    if (place.row >= 0 && top + this.rowHeight > this.element.scrollTop + room) this.element.scrollTop = top + this.rowHeight - room + 12;
    this._draw();
    const cell = this._cell();
    cell?.focus({ preventScroll: true });
    if (cell && !cell.style.left) cell.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }
}
