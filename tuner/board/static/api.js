/** The server: its routes, and its failures as errors that say what to do. */

/** @typedef {import('./types.js').Studies} Studies */
/** @typedef {import('./types.js').Table} Table */
/** @typedef {Record<string, string|number|boolean|string[]|null|undefined>} Parameters */

const PATIENCE_MS = 20_000;

/** A request that failed. `status` is 0 if there was no response at all. */
export class ApiError extends Error {
  /** @param {string} message @param {number} [status] */
  constructor(message, status = 0) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

export class Api {
  /** @param {string} [base] where the routes are, relative to the frame's base */
  constructor(base = './') {
    this.base = base;
  }

  /**
   * @param {string} route
   * @param {Parameters} [parameters] empty ones are left out
   * @returns {string} for a link or a request
   */
  url(route, parameters = {}) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) {
      const text = Array.isArray(value) ? value.join(',') : value;
      if (text !== null && text !== undefined && text !== '' && text !== false) query.set(name, String(text));
    }
    const asked = query.toString();
    return `${this.base}${route}${asked ? `?${asked}` : ''}`;
  }

  /**
   * @param {string} route
   * @param {Parameters} [parameters]
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   * @throws {ApiError} with the server's reason
   * @throws {DOMException} AbortError, if `signal` aborted it
   */
  async get(route, parameters = {}, signal) {
    const { response, text } = await this._fetch(this.url(route, parameters), signal);
    const type = response.headers.get('content-type') ?? '';
    const answer = type.includes('json') ? parse(text) : null;
    if (answer === null) throw new ApiError(`The server answered ${response.status} without data. Is TensorBoard being restarted?`, response.status);
    if (response.ok) return answer;
    throw new ApiError(reason(answer, response.status), response.status);
  }

  /** @param {string} route @param {Parameters} parameters @returns {Promise<string>} @throws {ApiError} */
  async text(route, parameters) {
    const { response, text } = await this._fetch(this.url(route, parameters));
    if (response.ok) return text;
    throw new ApiError(reason(parse(text), response.status), response.status);
  }

  /** @returns {Promise<Studies>} */
  studies() {
    return this.get('studies');
  }

  /** @param {Parameters} parameters @param {AbortSignal} [signal] @returns {Promise<Table>} */
  trials(parameters, signal) {
    return this.get('trials', parameters, signal);
  }

  /**
   * @param {string} url
   * @param {AbortSignal} [signal]
   * @returns {Promise<{response: Response, text: string}>}
   */
  async _fetch(url, signal) {
    const late = AbortSignal.timeout(PATIENCE_MS);
    try {
      const response = await fetch(url, { signal: signal ? AbortSignal.any([signal, late]) : late, cache: 'no-store' });
      return { response, text: await response.text() };
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError('TensorBoard does not answer. Is its process still running? This page asks again by itself.');
    }
  }
}

/** @param {unknown} error @returns {boolean} whether a newer request replaced it */
export function aborted(error) {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** @param {any} answer @param {number} status @returns {string} what was wrong, and what is allowed */
function reason(answer, status) {
  const said = typeof answer?.error === 'string' ? answer.error : `The server answered ${status}`;
  const allowed = answer?.allowed === undefined || answer.allowed === null ? '' : `; allowed: ${[answer.allowed].flat().join(', ')}`;
  return `${`${said}${allowed}`.slice(0, 600).replace(/[.\s]+$/, '')}.`;
}

/** @param {string} text @returns {unknown} */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
