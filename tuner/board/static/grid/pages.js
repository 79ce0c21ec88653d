/** Rows by their place in the table, loaded one page at a time when they come into view. */

/** @typedef {import('../types.js').Row} Row */
/** @typedef {import('../types.js').Table} Table */
/** @typedef {import('../api.js').Parameters} Parameters */

export const PAGE = 100;
const MOST_PAGES = 60;
const AT_ONCE = 2;

export class Pages {
  /**
   * @param {(parameters: Parameters, signal: AbortSignal) => Promise<Table>} ask
   * @param {{answered: (table: Table, first: boolean) => void, failed: (error: unknown) => void}} listener
   */
  constructor(ask, listener) {
    this._ask = ask;
    this._listener = listener;
    /** @type {Map<number, Row[]>} */
    this._pages = new Map();
    /** @type {Map<number, AbortController>} */
    this._open = new Map();
    /** @type {Set<number>} pages that are shown but older than the newest version */
    this._old = new Set();
    /** @type {Parameters} */
    this._question = {};
    this._fresh = true;
    this._window = [0, 0];
    this.matching = 0;
  }

  /** @param {Parameters} question the rows of the previous query stay until the first response */
  ask(question) {
    this._abort();
    this._question = question;
    this._fresh = true;
    this._window = [0, 0];
    this._send(0);
  }

  /** Reload what is in view; the present rows stay until the responses arrive. */
  refresh() {
    if (this._fresh) return;
    this._old = new Set(this._pages.keys());
    this._fill();
  }

  /** @param {number} index @returns {Row|undefined} */
  row(index) {
    return this._pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** @param {number} first @param {number} last rows that are in view */
  need(first, last) {
    this._window = [Math.floor(Math.max(0, first) / PAGE), Math.floor(Math.max(0, last) / PAGE)];
    if (!this._fresh) this._fill();
  }

  /** @returns {Generator<Row>} the rows loaded so far */
  *rows() {
    for (const page of this._pages.values()) yield* page;
  }

  _fill() {
    const [low = 0, high = 0] = this._window;
    for (const [page, controller] of this._open) if (page < low || page > high) this._end(page, controller);
    for (let page = low; page <= high && this._open.size < AT_ONCE; page += 1) {
      const here = page * PAGE < this.matching || page === 0;
      if (here && !this._open.has(page) && (!this._pages.has(page) || this._old.has(page))) this._send(page);
    }
  }

  /** @param {number} page */
  async _send(page) {
    const controller = new AbortController();
    this._open.set(page, controller);
    try {
      const table = await this._ask({ ...this._question, offset: page * PAGE, limit: PAGE }, controller.signal);
      if (controller.signal.aborted) return;
      this._open.delete(page);
      this._keep(page, table);
    } catch (error) {
      if (controller.signal.aborted) return;
      this._open.delete(page);
      this._listener.failed(error);
    }
  }

  /** @param {number} page @param {Table} table */
  _keep(page, table) {
    const first = this._fresh;
    if (first) this._pages.clear();
    if (first) this._old.clear();
    this._fresh = false;
    this._pages.set(page, table.rows);
    this._old.delete(page);
    this.matching = table.matching;
    for (const kept of [...this._pages.keys()]) if (kept * PAGE >= Math.max(1, table.matching)) this._pages.delete(kept);
    if (this._pages.size > MOST_PAGES) this._forget(page);
    this._listener.answered(table, first);
    this._fill();
  }

  /** @param {number} near pages farthest from this one go */
  _forget(near) {
    const far = [...this._pages.keys()].sort((a, b) => Math.abs(b - near) - Math.abs(a - near));
    for (const page of far.slice(0, this._pages.size - MOST_PAGES)) this._pages.delete(page);
  }

  _abort() {
    for (const [page, controller] of this._open) this._end(page, controller);
  }

  /** @param {number} page @param {AbortController} controller */
  _end(page, controller) {
    this._open.delete(page);
    controller.abort();
  }
}
