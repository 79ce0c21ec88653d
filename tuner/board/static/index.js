/**
 * The module that TensorBoard imports into the frame of the tab "Best trials".
 *
 * Everything else is below `static/`, and plots are imported only when opened.
 */
const SHEETS = ['style.css', 'grid.css', 'panels.css'];
/** What `app.js` imports, directly or not: requested in parallel, not one after the other. */
export const MODULES = [
  'api.js',
  'chosen.js',
  'completion.js',
  'detail.js',
  'dom.js',
  'drawings.js',
  'foreign.js',
  'format.js',
  'grid/cells.js',
  'grid/grid.js',
  'grid/head.js',
  'grid/keys.js',
  'grid/layout.js',
  'grid/pages.js',
  'grid/row.js',
  'header.js',
  'host.js',
  'links.js',
  'message.js',
  'plots/catalogue.js',
  'query_text.js',
  'row_value.js',
  'search.js',
  'session.js',
  'state.js',
  'store.js',
  'visible_columns.js',
];

/** Called by TensorBoard when the tab is first opened. */
export async function render() {
  document.documentElement.lang = 'en';
  document.title = 'Best trials';
  const meta = document.createElement('meta');
  meta.name = 'viewport';
  meta.content = 'width=device-width, initial-scale=1';
  document.head.append(meta);
  MODULES.forEach(preload);
  // Not a static import: this file is served one folder above the others.
  const app = import(new URL('./static/app.js', import.meta.url).href);
  await Promise.all(SHEETS.map(sheet));
  await (await app).start(document.body);
}

/**
 * @param {string} name
 * @returns {Promise<void>} settled when the sheet is loaded, or has failed: the page works without it
 */
function sheet(name) {
  return new Promise((resolve) => {
    const link = document.createElement('link');
    link.rel = 'stylesheet';
    link.href = `./static/${name}`;
    link.onload = link.onerror = () => resolve();
    document.head.append(link);
  });
}

/** @param {string} name */
function preload(name) {
  const link = document.createElement('link');
  link.rel = 'modulepreload';
  link.href = `./static/${name}`;
  document.head.append(link);
}
