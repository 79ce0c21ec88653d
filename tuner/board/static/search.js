/** The search: a box that completes names and values, with errors shown below it. */
import { button, el, fill } from './dom.js';
import { completions, wordAt } from './completion.js';
import { visible } from './format.js';

/** @typedef {import('./store.js').State} State */

const WAIT_MS = 200;

export class Search {
  /** @param {import('./store.js').Store} store */
  constructor(store) {
    this.store = store;
    this.timer = 0;
    /** @type {import('./completion.js').Completion[]} */
    this.offers = [];
    this.at = -1;
    this.box = el('input', {
      type: 'search', id: 'bt-search', role: 'combobox', 'aria-label': 'Search trials', 'aria-expanded': 'false', 'aria-controls': 'bt-offers', 'aria-autocomplete': 'list', 'aria-describedby': 'bt-mistakes',
      placeholder: 'Search: train.batch_size=64 val_accuracy>0.95 state:pruned', autocomplete: 'off', spellcheck: 'false', maxlength: 2000,
      on: { input: () => this._typed(), keydown: (event) => this._key(/** @type {KeyboardEvent} */ (event)), blur: () => this._offer([]), focus: () => this._complete() },
    });
    this.list = el('ul', { role: 'listbox', id: 'bt-offers', 'aria-label': 'Completions', hidden: true });
    this.mistakes = el('ul', { class: 'bt-mistakes', id: 'bt-mistakes', 'aria-live': 'polite' });
    this.matching = el('span', { class: 'bt-muted', role: 'status' });
    this.clear = button('Clear', () => this._ask(''), { class: 'bt-button', hidden: true });
    this.element = el('div', { class: 'bt-search', role: 'search' }, el('div', { class: 'bt-searchbox' }, this.box, this.list), this.clear, this.matching);
    store.subscribe(['view'], (state) => this._show(state));
    store.subscribe(['table', 'busy', 'error'], (state) => this._answered(state));
  }

  /** @param {State} state */
  _show({ view }) {
    this.clear.hidden = view.query === '';
    if (document.activeElement !== this.box || !this.timer) if (this.box.value !== view.query) this.box.value = view.query;
  }

  /** @param {State} state */
  _answered({ table, view }) {
    if (!table) return;
    const many = table.total.toLocaleString('en');
    this.matching.textContent = view.query ? `${table.matching.toLocaleString('en')} of ${many} trials` : `${many} trial${table.total === 1 ? '' : 's'}`;
    const asked = view.query;
    fill(this.mistakes, ...(table.mistakes ?? []).slice(0, 5).map((mistake) => el('li', {},
      el('button', { type: 'button', class: 'bt-link', title: 'Go to it', on: { click: () => this._point(mistake) } }, visible(asked.slice(mistake.at, mistake.at + Math.max(1, mistake.length)), 60) || 'here'), ` ${visible(mistake.text)}`)),
    ...(table.notes ?? []).slice(0, 5).map((note) => el('li', { class: 'bt-muted' }, visible(note))));
    this.box.setAttribute('aria-invalid', String((table.mistakes ?? []).length > 0));
  }

  /** @param {import('./types.js').Mistake} mistake */
  _point(mistake) {
    this.box.focus();
    this.box.setSelectionRange(mistake.at, mistake.at + mistake.length);
  }

  _typed() {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this._ask(this.box.value), WAIT_MS);
    this._complete();
  }

  /** @param {string} query */
  _ask(query) {
    clearTimeout(this.timer);
    this.timer = 0;
    this.box.value = query;
    this.store.look({ query: query.trim() === '' ? '' : query });
  }

  _complete() {
    const cursor = this.box.selectionStart ?? this.box.value.length;
    this._offer(document.activeElement === this.box ? completions(this.box.value, cursor, this.store.state.columns) : []);
  }

  /** @param {import('./completion.js').Completion[]} offers */
  _offer(offers) {
    this.offers = offers;
    this.at = -1;
    this.list.hidden = offers.length === 0;
    this.box.setAttribute('aria-expanded', String(offers.length > 0));
    this.box.removeAttribute('aria-activedescendant');
    fill(this.list, ...offers.map((offer, at) => el('li', { role: 'option', id: `bt-offer-${at}`, 'aria-selected': 'false', on: { pointerdown: (event) => this._take(at, event) } },
      el('span', {}, visible(offer.label, 80)), el('small', {}, offer.hint))));
  }

  /** @param {number} at @param {Event} [event] */
  _take(at, event) {
    event?.preventDefault();
    const offer = this.offers[at];
    if (!offer) return;
    const cursor = this.box.selectionStart ?? this.box.value.length;
    const word = wordAt(this.box.value, cursor);
    const end = word.at + offer.text.length;
    this.box.value = this.box.value.slice(0, word.at) + offer.text + this.box.value.slice(cursor).replace(/^\s+/, '');
    this.box.setSelectionRange(end, end);
    this._typed();
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    const open = this.offers.length > 0;
    if (event.key === 'Enter' && !(open && this.at >= 0)) {
      this._offer([]);
      this._ask(this.box.value);
    } else if (event.key === 'Escape' && open) this._offer([]);
    else if (open && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) this._point_at((this.at + (event.key === 'ArrowDown' ? 1 : -1) + this.offers.length) % this.offers.length);
    else if (open && this.at >= 0 && (event.key === 'Enter' || event.key === 'Tab')) this._take(this.at);
    else return;
    event.preventDefault();
  }

  /** @param {number} at */
  _point_at(at) {
    this.at = at;
    [...this.list.children].forEach((item, index) => item.setAttribute('aria-selected', String(index === at)));
    this.box.setAttribute('aria-activedescendant', `bt-offer-${at}`);
    this.list.children[at]?.scrollIntoView({ block: 'nearest' });
  }
}
