/** Puts the parts together: one store, its parts, the address, the theme. */
import { Api } from './api.js';
import { Chosen } from './chosen.js';
import { Detail } from './detail.js';
import { button, el } from './dom.js';
import { Drawings } from './drawings.js';
import { Foreign } from './foreign.js';
import { Grid } from './grid/grid.js';
import { nextSort } from './grid/head.js';
import { Header } from './header.js';
import { Host } from './host.js';
import { MessageBox, pageState } from './message.js';
import { Search } from './search.js';
import { Session } from './session.js';
import { formatHash, parseHash, rowId } from './state.js';
import { Store } from './store.js';
import { moved } from './visible_columns.js';

/** @param {HTMLElement} body */
export async function start(body) {
  const host = new Host();
  host.fit();
  const { view } = parseHash(host.hash());
  const { curves } = view;
  const store = new Store({ view: { ...view, curves: [] }, studies: null, study: null, table: null, columns: [], shown: [], theme: host.theme(), live: 'loading', heard: 0, error: null, busy: false });
  const api = new Api();
  const session = new Session(api, store, host);
  const chosen = new Chosen(store, session, host);
  const drawings = new Drawings(store, api);
  const grid = new Grid(session.pages, gridActions(store, chosen, () => detail));
  const detail = new Detail(store, session, host, { closed: () => grid.focus(grid.active), choose: (id) => chosen.toggle(id) });
  const header = new Header(store, session, { open: (id) => store.look({ open: id }) });
  const search = new Search(store);
  const message = new MessageBox(store, () => session.retry());
  const columns = button('Columns', async () => (await import('./columns.js')).openColumns(store, columns), { class: 'bt-button', 'aria-haspopup': 'dialog', 'aria-expanded': 'false' });
  const take = button('Take away', async () => (await import('./takeaway.js')).openTakeaway(store, api, host, take), { class: 'bt-button', 'aria-haspopup': 'menu', 'aria-expanded': 'false' });
  const refresh = button('Refresh', () => session.retry(), { class: 'bt-button', title: 'Ask again now; this also happens by itself' });
  search.element.append(el('span', { class: 'bt-buttons' }, columns, take, refresh));
  const keys = el('p', { class: 'bt-keys bt-muted' }, 'Keys: arrows move, Enter opens a trial or sorts a column, Space chooses a trial, Alt+↓ filters and Shift+←/→ moves a column, / goes to the search, Esc closes.');
  const main = el('main', {}, new Foreign(store).element, search.element, search.mistakes, chosen.element, message.banner, message.element, el('div', { class: 'bt-table' }, grid.element, detail.element), drawings.element, keys);
  body.replaceChildren(header.element, main);
  theme(store, host, body);
  marks(store, body);
  address(store, host);
  shortcut(search.box, detail);
  store.subscribe(['view', 'table', 'shown', 'busy'], (state) => {
    grid.element.hidden = !state.table || state.table.matching === 0;
    grid.show(state);
  });
  follow(store, grid);
  if (curves.length > 0) toCurves(host, { ...view, curves });
  store.set({ view: { ...store.state.view } });
  await session.begin();
}

/**
 * @param {Store} store
 * @param {Chosen} chosen
 * @param {() => Detail} detail
 * @returns {import('./grid/grid.js').GridActions}
 */
function gridActions(store, chosen, detail) {
  const keys = () => store.state.shown.map((column) => column.key);
  return {
    choose: (row) => chosen.toggle(rowId(row)),
    open: (row, byKey) => {
      const id = rowId(row);
      if (byKey) detail().takeFocus(id);
      store.look({ open: !byKey && store.state.view.open === id ? '' : id });
    },
    sort: (column) => store.look({ sort: nextSort(store.state.view.sort, column, store.state.table?.goal ?? null) }),
    filter: async (column, anchor) => (await import('./filter.js')).openFilter(store, column, anchor),
    move: (key, by) => store.look({ columns: moved(keys(), key, by) }),
    place: (key, before) => {
      const order = keys();
      store.look({ columns: moved(order, key, order.indexOf(before) - order.indexOf(key)) });
    },
  };
}

/** A new query starts at the top; a refresh only changes values. @param {Store} store @param {Grid} grid */
function follow(store, grid) {
  let asked = false;
  store.subscribe(['busy', 'table'], ({ busy, table }) => {
    if (asked && !busy && table) grid.top();
    if (asked && !busy) grid.show(store.state);
    asked = busy;
  });
}

/** @param {Store} store @param {Host} host @param {HTMLElement} body */
function theme(store, host, body) {
  const follow_ = () => store.set({ theme: /** @type {import('./types.js').Theme} */ (store.state.view.theme || host.theme()) });
  store.subscribe(['theme'], (state) => (body.dataset['theme'] = state.theme));
  store.subscribe(['view'], follow_);
  host.onTheme(follow_);
  follow_();
  body.dataset['theme'] = store.state.theme;
}

/** Keeps the address and the view in sync; only a change of study adds a history entry. @param {Store} store @param {Host} host */
function address(store, host) {
  let study = store.state.view.study;
  store.subscribe(['view'], ({ view }) => {
    host.write(formatHash(view, parseHash(host.hash()).other), study !== '' && view.study !== study);
    study = view.study;
  });
  host.onAddress(() => {
    const { plugin, view } = parseHash(host.hash());
    if (plugin !== 'best_trials' || formatHash(view) === formatHash(store.state.view)) return;
    if (view.curves.length > 0) toCurves(host, view);
    study = view.study;
    store.look({ ...view, study: view.study || store.state.view.study, curves: [] });
  });
}

/** Marks the state of the page, for tests and styles. @param {Store} store @param {HTMLElement} body */
function marks(store, body) {
  store.subscribe(['studies', 'study', 'table', 'view', 'error', 'live', 'busy'], (state) => {
    body.dataset['state'] = pageState(state);
    body.dataset['version'] = String(state.table?.version ?? '');
  });
}

/** Forward a link to curves. Its own history entry is replaced by the table, so that Back does not forward again. @param {Host} host @param {import('./state.js').View} view */
function toCurves(host, view) {
  host.write(formatHash({ ...view, curves: [] }, parseHash(host.hash()).other), false);
  void host.timeSeries(view.curves);
}

/** `/` goes to the search, Escape closes the details: unless a field has the focus. @param {HTMLInputElement} box @param {Detail} detail */
function shortcut(box, detail) {
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !event.defaultPrevented && detail.isOpen()) detail.close();
    if (event.key !== '/' || event.ctrlKey || event.metaKey || /** @type {HTMLElement} */ (event.target).closest('input, select, textarea')) return;
    event.preventDefault();
    box.focus();
  });
}
