/** Exports the results: tables, the configuration to run again, the report, a link to this view. */
import { button, el } from './dom.js';
import { copy } from './links.js';
import { openPopover } from './popover.js';
import { formatHash } from './state.js';

/**
 * @param {import('./store.js').Store} store
 * @param {import('./api.js').Api} api
 * @param {import('./host.js').Host} host
 * @param {HTMLElement} anchor
 */
export function openTakeaway(store, api, host, anchor) {
  const { view } = store.state;
  const { study, trials } = view;
  const best = { study, metric: view.metric, goal: view.goal, value: view.value };
  const which = trials.length === 0 ? 'all trials' : trials.length === 1 ? 'the chosen trial' : `the ${trials.length} chosen trials`;
  /** @param {string} text @param {string} hint @param {string} url */
  const item = (text, hint, url) => el('a', { role: 'menuitem', href: url, download: true, class: 'bt-item', tabindex: -1 }, el('span', {}, text), el('small', {}, hint));
  const some = { ...best, trials };
  openPopover(anchor, 'Take away', (close) => {
    const link = button('', async () => {
      const done = await copy(host.page() + formatHash(store.state.view), link);
      if (done) close();
    }, { role: 'menuitem', class: 'bt-item', tabindex: -1 });
    link.append(el('span', {}, 'Copy the link to this view'), el('small', {}, 'study, search, order, columns, chosen trials'));
    const items = [
      item(`CSV of ${which}`, 'for a spreadsheet', api.url('takeaway', { ...some, format: 'csv' })),
      item(`JSON of ${which}`, 'with types', api.url('takeaway', { ...some, format: 'json' })),
      item(`YAML to run ${trials.length === 0 ? 'the best' : which} again`, 'start_with of a study', api.url('takeaway', { ...some, format: 'yaml' })),
      item('Report of the study', 'one HTML page that opens without a server', api.url('report', best)),
      link,
    ];
    items.forEach((one, at) => one.addEventListener('keydown', (event) => step(/** @type {KeyboardEvent} */ (event), items, at)));
    return items;
  }, 'menu');
}

/** @param {KeyboardEvent} event @param {HTMLElement[]} items @param {number} at */
function step(event, items, at) {
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  items[to % items.length]?.focus();
}
