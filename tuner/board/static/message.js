/** What is shown instead of the table: loading, empty, no match, an error. Each says what to do. */
import { button, el, fill } from './dom.js';
import { visible } from './format.js';

/** @typedef {import('./store.js').State} State */

/**
 * @typedef {object} Message
 * @property {string} title
 * @property {string} text
 * @property {'retry'|'clear'|'newest'|'plain'} [act]
 */

/** @param {State} state @returns {Message|null} null: the table is shown */
export function messageOf({ studies, study, table, view, error, live }) {
  if (error && !table) {
    if ('status' in error && error.status === 404 && view.study) return { title: `There is no study ${visible(view.study, 100)} here`, text: `${error.message} It may have been deleted, or lies in another log directory.`, act: 'newest' };
    return { title: 'The trials cannot be shown', text: visible(error.message), act: 'status' in error && error.status === 400 ? 'plain' : 'retry' };
  }
  if (!studies && !table) return live === 'away' ? { title: 'TensorBoard does not answer', text: 'Is its process still running? This page asks again every few seconds.', act: 'retry' } : { title: 'Reading the log directory…', text: 'The first trials appear as soon as they are read.' };
  if (studies && studies.studies.length === 0 && !table) {
    if (studies.loading) return { title: 'Reading the log directory…', text: studies.loaded ? `${studies.loaded} runs read so far.` : 'The first trials appear as soon as they are read.' };
    return { title: 'No trials here yet', text: `${studies.problem ? `${visible(studies.problem)} ` : ''}This directory holds no runs with HParams. Start a study with “tuner run study.yaml”, or open another directory with “tuner board PATH”. What appears is shown by itself.` };
  }
  if (!table) return { title: 'Reading the trials…', text: study ? `${visible(study.study, 100)}: ${study.trials} trials.` : 'This takes a moment.' };
  if (table.matching === 0 && view.query) return { title: 'No trial matches the search', text: `${table.total} trials are there. Take a term out of the search, or clear it.`, act: 'clear' };
  if (table.matching === 0) return { title: table.loading ? 'Reading the trials…' : 'This study has no trial yet', text: table.loading ? 'They appear as they are read.' : 'Its trials appear here as they start; nothing has to be done.' };
  return null;
}

/** @param {State} state @returns {'loading'|'ready'|'empty'|'error'} */
export function pageState(state) {
  if (state.error || state.live === 'away') return 'error';
  if (state.table && !state.busy) return state.table.matching > 0 ? 'ready' : state.table.loading ? 'loading' : 'empty';
  return state.studies && !state.studies.loading && state.studies.studies.length === 0 ? 'empty' : 'loading';
}

export class MessageBox {
  /** @param {import('./store.js').Store} store @param {() => void} retry */
  constructor(store, retry) {
    this.element = el('div', { class: 'bt-message', role: 'status', hidden: true });
    this.banner = el('div', { class: 'bt-banner', role: 'alert', hidden: true });
    let drawn = '';
    store.subscribe(['studies', 'study', 'table', 'view', 'error', 'live'], (state) => {
      const message = messageOf(state);
      this.element.hidden = !message;
      this.banner.hidden = !(state.error && state.table);
      this.banner.textContent = state.error && state.table ? `${visible(state.error.message)} What is shown is from before.` : '';
      if (JSON.stringify(message) === drawn) return;
      drawn = JSON.stringify(message);
      const acts = { retry: ['Ask again', retry], plain: ['Show all trials, best first', () => store.look({ sort: '', query: '', metric: '', goal: '', value: '' })], clear: ['Clear the search', () => store.look({ query: '' })], newest: ['Show the newest study', () => store.look({ study: state.studies?.studies[0]?.study ?? '' })] };
      const [label, act] = /** @type {[string, () => void]} */ (acts[message?.act ?? 'retry']);
      fill(this.element, el('h2', {}, message?.title), el('p', {}, message?.text), message?.act ? button(label, act, { class: 'bt-button bt-main' }) : null);
    });
  }
}
