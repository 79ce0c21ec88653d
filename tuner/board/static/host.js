/**
 * The window of TensorBoard around our frame: its address, its theme, its tab TIME SERIES.
 *
 * The frame has the same origin. Little of TensorBoard's page is used, and each use has a
 * fallback if TensorBoard has changed: then a link opens in the ordinary way.
 */
import { PLUGIN } from './state.js';

const RUN_BOXES = 'runs-data-table input[type="checkbox"]';
const LOOK_MS = 150;
const LOOKS = 80;

export class Host {
  /** @param {Window & typeof globalThis} [frame] */
  constructor(frame = window) {
    this.frame = frame;
    this.top = reachable(frame.parent) ? /** @type {Window & typeof globalThis} */ (frame.parent) : frame;
  }

  /** Make phones show the page at their own width: TensorBoard's page sets no viewport, so it would be tiny. */
  fit() {
    const { document } = this.top;
    if (document.querySelector('meta[name="viewport"]')) return;
    const meta = document.createElement('meta');
    meta.name = 'viewport';
    meta.content = 'width=device-width, initial-scale=1';
    document.head.append(meta);
  }

  /** @returns {string} */
  hash() {
    return this.top.location.hash;
  }

  /**
   * @param {string} hash
   * @param {boolean} step whether Back returns here
   */
  write(hash, step) {
    if (hash === this.hash() || !this.shown()) return;
    const { history } = this.top;
    if (step) history.pushState(history.state, '', hash);
    else history.replaceState(history.state, '', hash);
  }

  /** @param {() => void} act called when something else has changed the address */
  onAddress(act) {
    this.top.addEventListener('hashchange', act);
    this.top.addEventListener('popstate', act);
  }

  /** @returns {boolean} whether our tab is the one that is shown, in a window that is */
  shown() {
    const name = this.hash().replace(/^#/, '').split('&')[0];
    return !this.top.document.hidden && (this.top === this.frame || name === PLUGIN || name === '');
  }

  /** @param {() => void} act called when the window is shown or hidden */
  onShown(act) {
    this.top.document.addEventListener('visibilitychange', act);
    this.onAddress(act);
  }

  /** @returns {import('./types.js').Theme} */
  theme() {
    if (this.top === this.frame) return this.frame.matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
    return this.top.document.body.classList.contains('dark-mode') ? 'dark' : 'light';
  }

  /** @param {() => void} act called when TensorBoard's theme may have changed */
  onTheme(act) {
    new MutationObserver(act).observe(this.top.document.body, { attributeFilter: ['class'] });
    this.frame.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', act);
  }

  /** @returns {string} the address of TensorBoard's page, without query and hash */
  page() {
    const { origin, pathname } = this.top.location;
    return origin + pathname;
  }

  /**
   * Show TIME SERIES with exactly these runs, without a reload; Back returns to our view.
   * Above 500 runs TensorBoard selects none: its checkbox that selects the filtered ones is ticked.
   * @param {string[]} runs
   * @returns {Promise<boolean>} whether the runs are selected now
   */
  async timeSeries(runs) {
    const { history, location } = this.top;
    history.pushState(null, '', `${location.pathname}?runFilter=${encodeURIComponent(runFilter(runs))}#timeseries`);
    this.top.dispatchEvent(new this.top.PopStateEvent('popstate', { state: null }));
    for (let look = 0; look < LOOKS; look += 1) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      if (!location.hash.startsWith('#timeseries')) return false;
      const [all, ...rows] = /** @type {HTMLInputElement[]} */ ([...this.top.document.querySelectorAll(RUN_BOXES)]);
      if (!all || rows.length === 0 || rows.length > runs.length) continue;
      if (rows.some((box) => !box.checked)) all.click();
      return true;
    }
    return false;
  }
}

/**
 * @param {string[]} runs
 * @returns {string} the regular expression that TIME SERIES filters by: these runs and no other
 */
export function runFilter(runs) {
  return `^(${runs.map((run) => run.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')})$`;
}

/** @param {Window} other @returns {boolean} */
function reachable(other) {
  try {
    return Boolean(other.document.body);
  } catch {
    return false;
  }
}
