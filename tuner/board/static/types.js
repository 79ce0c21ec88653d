/**
 * The server's responses, as read by the screen (JSON; absent and non-finite are null).
 *
 * @typedef {number|string|boolean|null|{int: string}} Value a parameter's or metric's value with its type
 *
 * @typedef {object} Counts
 * @property {number} [complete]
 * @property {number} [pruned]
 * @property {number} [fail]
 * @property {number} [running]
 * @property {number} [waiting]
 *
 * @typedef {{name: string, goal: string}} Metric
 *
 * @typedef {object} Study
 * @property {string} study
 * @property {'tuner'|'hparams'} source
 * @property {string|null} state
 * @property {string|null} goal
 * @property {string|null} metric
 * @property {Metric[]} metrics
 * @property {number} trials
 * @property {Counts} counts
 * @property {{trial: number|null, run?: string, objective: number}|null} best
 * @property {string|null} updated ISO 8601
 * @property {unknown} [version] another one when something of it changed
 *
 * @typedef {object} Studies
 * @property {Study[]} studies
 * @property {boolean} loading
 * @property {number} [loaded] runs read so far
 * @property {string|null} [problem]
 * @property {string} [base] what the log directory is called
 *
 * @typedef {object} Column
 * @property {string} key
 * @property {string} label
 * @property {'fact'|'param'|'metric'} group
 * @property {'int'|'float'|'bool'|'text'|'time'|'state'} type
 * @property {number|null} [low]
 * @property {number|null} [high]
 * @property {boolean} [log]
 * @property {Value[]|null} [values]
 * @property {boolean} [conditional]
 * @property {boolean} [constant]
 * @property {number|null} [share] importance, 0 to 1
 *
 * @typedef {object} Row
 * @property {number|null} trial null in foreign logs
 * @property {number|null} rank
 * @property {string} state
 * @property {string|null} cause
 * @property {string|null} [reason]
 * @property {number|null} objective
 * @property {Record<string, Value>} params
 * @property {Record<string, Value>} metrics
 * @property {number|null} attempts
 * @property {number|null} duration_s
 * @property {string|null} [started]
 * @property {boolean} [history]
 * @property {string} run
 * @property {(number|null)[]} [values]
 *
 * @typedef {{at: number, length: number, text: string}} Mistake
 *
 * @typedef {object} Table one page of trials and what stands around it
 * @property {string} study
 * @property {'tuner'|'hparams'} source
 * @property {number} total
 * @property {number} matching
 * @property {string|null} goal
 * @property {string|null} metric
 * @property {string|number} version
 * @property {boolean} [loading]
 * @property {Mistake[]} mistakes
 * @property {string[]} notes
 * @property {Column[]} columns
 * @property {Row[]} rows
 *
 * @typedef {import('./state.js').View} View
 * @typedef {'light'|'dark'} Theme
 *
 */
export {};
