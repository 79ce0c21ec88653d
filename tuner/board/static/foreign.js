/** For logs without a declared objective: the metric, its direction, and the value of a curve to use. */
import { el, fill } from './dom.js';
import { visible } from './format.js';

/** @typedef {import('./store.js').State} State */

export class Foreign {
  /** @param {import('./store.js').Store} store */
  constructor(store) {
    this.store = store;
    this.metric = el('select', { on: { change: () => store.look({ metric: this.metric.value, goal: '' }) } });
    this.goal = el('select', { on: { change: () => store.look({ goal: this.goal.value }) } }, el('option', { value: 'maximize' }, 'larger is better'), el('option', { value: 'minimize' }, 'smaller is better'));
    this.value = el('select', { on: { change: () => store.look({ value: this.value.value }) } }, el('option', { value: 'last' }, 'last value'), el('option', { value: 'best' }, 'best value'));
    this.element = el('div', { class: 'bt-foreign', role: 'group', 'aria-label': 'What is best', hidden: true },
      field('Best by', this.metric), field('where', this.goal), field('taking the', this.value));
    store.subscribe(['study', 'table', 'view', 'columns'], (state) => this._show(state));
  }

  /** @param {State} state */
  _show({ study, table, view, columns }) {
    this.element.hidden = (table?.source ?? study?.source) !== 'hparams' || !table;
    if (this.element.hidden) return;
    const named = [...(study?.metrics ?? []).map((metric) => metric.name), ...columns.filter((column) => column.group === 'metric').map((column) => column.label)];
    const names = [...new Set([...named, ...(table?.metric ? [table.metric] : [])])].slice(0, 500);
    if ([...this.metric.options].map((option) => option.value).join('\n') !== names.join('\n')) fill(this.metric, ...names.map((name) => el('option', { value: name }, visible(name, 100))));
    this.metric.value = view.metric || (table?.metric ?? '');
    this.goal.value = view.goal || (table?.goal ?? 'maximize');
    this.value.value = view.value || 'last';
  }
}

/** @param {string} label @param {HTMLSelectElement} select @returns {HTMLElement} */
function field(label, select) {
  return el('label', {}, `${label} `, select);
}
