/** One row on the screen. Its cells stay when their values change, so that focus and scrolling are kept. */
import { el } from '../dom.js';
import { stateKey } from '../format.js';
import { rowId } from '../state.js';
import { cellTitle, drawCell } from './cells.js';
import { isNumber } from './layout.js';

/** @typedef {import('../types.js').Column} Column */
/** @typedef {import('../types.js').Row} Row */

export class RowElement {
  /**
   * @param {Column[]} columns
   * @param {(cell: HTMLElement, at: number) => HTMLElement} stick
   * @param {{choose: (row: Row) => void, open: (row: Row, byKey: boolean) => void}} actions
   */
  constructor(columns, stick, actions) {
    this.columns = columns;
    /** @type {Row|undefined} */
    this.row = undefined;
    this.text = '';
    this.box = el('input', { type: 'checkbox', tabindex: -1, on: { change: () => this.row && actions.choose(this.row) } });
    this.cells = columns.map((column, at) => stick(el('div', { role: 'gridcell', 'aria-colindex': at + 2, tabindex: -1, class: `bt-cell ${isNumber(column) ? 'bt-number' : ''}`, 'data-key': column.key }), at));
    this.element = el('div', {
      role: 'row', class: 'bt-row', on: { click: (event) => this._clicked(event, actions), mouseover: (event) => this._titled(event) },
    }, el('div', { role: 'gridcell', 'aria-colindex': 1, tabindex: -1, class: 'bt-cell bt-choose', style: 'left:0px' }, this.box), ...this.cells);
  }

  /** @param {number} index place in the table, from 0 @param {number} top pixels */
  place(index, top) {
    this.element.setAttribute('aria-rowindex', String(index + 2));
    this.element.style.top = `${top}px`;
  }

  /**
   * @param {Row|undefined} row none while its page is loading
   * @param {{chosen: boolean, open: boolean}} mark
   */
  show(row, mark) {
    if (row !== this.row || !row) {
      // Each response is a new object, mostly with the same values.
      const text = row ? JSON.stringify(row) : '';
      if (text !== this.text || !row) this._fill(row);
      this.row = row;
      this.text = text;
    }
    this.box.checked = mark.chosen;
    this.element.setAttribute('aria-selected', String(mark.chosen));
    this.element.classList.toggle('bt-open', mark.open);
  }

  /** @param {Row|undefined} row */
  _fill(row) {
    const { element } = this;
    element.toggleAttribute('aria-busy', !row);
    this.box.disabled = !row;
    this.box.setAttribute('aria-label', row ? `Choose trial ${rowId(row)}` : 'Choose');
    if (!row) {
      delete element.dataset['trial'];
      this.cells.forEach((cell, at) => (cell.textContent = at === 0 ? '…' : ''));
      return;
    }
    element.dataset['trial'] = rowId(row);
    element.dataset['state'] = stateKey(row.state);
    element.classList.toggle('bt-first', row.rank === 1);
    this.columns.forEach((column, at) => {
      const cell = /** @type {HTMLElement} */ (this.cells[at]);
      cell.removeAttribute('title');
      drawCell(cell, column, row);
    });
  }

  /** @param {Event} event */
  _titled(event) {
    const at = this.cells.indexOf(/** @type {HTMLElement} */ (/** @type {HTMLElement} */ (event.target).closest('[role="gridcell"]')));
    const [column, cell] = [this.columns[at], this.cells[at]];
    if (this.row && column && cell && !cell.title) cell.title = cellTitle(column, this.row);
  }

  /** @param {Event} event @param {{choose: (row: Row) => void, open: (row: Row, byKey: boolean) => void}} actions */
  _clicked(event, actions) {
    const cell = /** @type {HTMLElement} */ (event.target).closest('[role="gridcell"]');
    if (!this.row || !(cell instanceof HTMLElement) || event.target === this.box) return;
    if (cell === this.element.firstElementChild) actions.choose(this.row);
    else if (!String(getSelection())) actions.open(this.row, false);
  }
}
