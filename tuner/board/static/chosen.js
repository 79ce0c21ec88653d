/** The bar of chosen trials, up to five: to compare them, see their curves, or export them. */
import { button, el, fill } from './dom.js';
import { visible } from './format.js';
import { MOST_CHOSEN } from './state.js';

export class Chosen {
  /**
   * @param {import('./store.js').Store} store
   * @param {import('./session.js').Session} session
   * @param {import('./host.js').Host} host
   */
  constructor(store, session, host) {
    this.store = store;
    this.session = session;
    this.host = host;
    this.said = el('span', { role: 'status' });
    this.acts = el('span', { class: 'bt-buttons' });
    this.element = el('div', { class: 'bt-chosen', hidden: true }, this.said, this.acts);
    store.subscribe(['view'], ({ view }) => this._show(view.trials));
  }

  /** @param {string} id added, or removed if present */
  toggle(id) {
    const { trials } = this.store.state.view;
    if (trials.includes(id)) this.store.look({ trials: trials.filter((one) => one !== id) });
    else if (trials.length < MOST_CHOSEN) this.store.look({ trials: [...trials, id] });
    else this._full();
  }

  _full() {
    this.said.textContent = `Only ${MOST_CHOSEN} trials can be chosen; take one out first: ${this.store.state.view.trials.join(', ')}`;
    this.store.set({ view: { ...this.store.state.view } });
  }

  /** @param {string[]} trials */
  _show(trials) {
    this.element.hidden = trials.length === 0;
    const said = `Chosen: ${trials.map((id) => visible(id, 40)).join(', ')}`;
    if (this.element.dataset['trials'] === said) return;
    this.element.dataset['trials'] = said;
    this.said.textContent = said;
    fill(this.acts,
      trials.length > 1 ? button('Compare', () => this.store.look({ plot: 'compare' }), { class: 'bt-button bt-main' }) : el('span', { class: 'bt-muted' }, 'choose another one to compare'),
      button('Curves in TIME SERIES', () => void this._curves(), { class: 'bt-button' }),
      button('Choose none', () => this.store.look({ trials: [] }), { class: 'bt-button' }));
  }

  async _curves() {
    const rows = await Promise.all(this.store.state.view.trials.map((id) => this.session.row(id)));
    const runs = rows.flatMap((row) => (row ? [row.run] : []));
    if (runs.length > 0) await this.host.timeSeries(runs);
  }
}
