/**
 * The input and output of a plot. Every value of an answer may be absent or of another type:
 * what a log holds is not trusted, and the modules beside this one read it with care.
 *
 * @typedef {number | string} TrialKey A trial's number; a run's name in a log that has no numbers.
 * @typedef {Record<string, string | number | undefined>} Query Query parameters of a route.
 * @typedef {(query: Query) => Promise<any>} Ask Rejects with an Error whose message is a sentence.
 *
 * @typedef {object} Api
 * @property {Ask} points
 * @property {Ask} curves
 * @property {Ask} importance
 * @property {Ask} compare
 * @property {string} [plotlyUrl] Where plotly's script is; by default beside the page.
 *
 * @typedef {object} Column
 * @property {string} key `params.<name>`, `metrics.<name>` or the name of a fact.
 * @property {string} label
 * @property {string} group "fact", "param" or "metric".
 * @property {string} type "int", "float", "bool", "text", "time" or "state".
 * @property {number | null} [low]
 * @property {number | null} [high]
 * @property {boolean | null} [log]
 * @property {unknown[] | null} [values] The choices, in their order.
 * @property {boolean} [conditional]
 * @property {boolean} [constant]
 * @property {number | null} [share] Importance, 0 to 1.
 *
 * @typedef {object} MetricGoal
 * @property {string} name
 * @property {string} goal "maximize" or "minimize".
 *
 * @typedef {object} Study
 * @property {string} study
 * @property {string} [source] "tuner" or "hparams".
 * @property {string} [state]
 * @property {string | null} [goal]
 * @property {string | null} [metric]
 * @property {MetricGoal[]} [metrics]
 * @property {number} [trials]
 * @property {{trial: number, objective: number} | null} [best]
 * @property {string} [updated]
 * @property {unknown} [version]
 *
 * @typedef {object} View What the URL holds.
 * @property {string} [q] The search.
 * @property {TrialKey[]} [trials] The chosen trials.
 * @property {string} [metric]
 * @property {string} [goal]
 * @property {string} [value] "best" or "last".
 *
 * @typedef {object} Context One live object: its properties change, then `update()` is called.
 * @property {Api} api
 * @property {{get: () => View, set: (change: {q?: string, trials?: TrialKey[]}) => void}} state
 * @property {Study} study
 * @property {Column[]} columns
 * @property {"light" | "dark"} theme
 * @property {(trials: TrialKey[]) => void} choose Replaces the chosen trials.
 * @property {boolean} [saved] A page that was saved: it has no table and no search beside it.
 *
 * @typedef {object} Plot
 * @property {() => void} update
 * @property {() => void} close
 */

export {};
