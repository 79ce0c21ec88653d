/** Links to other views of a trial: its curves, its files, and commands that show or repeat it. */
import { formatHash, emptyView, rowId } from './state.js';

/** @typedef {import('./types.js').Row} Row */

/**
 * @param {string} study
 * @param {Row[]} rows
 * @returns {string} a hash that opens their curves in TIME SERIES, cold and above 500 runs too
 */
export function curvesHash(study, rows) {
  return formatHash({ ...emptyView(), study, curves: rows.map((row) => row.run) });
}

/**
 * @param {string} study
 * @param {Row} row
 * @param {'config.json'|'trial.json'|'output.log'} name
 * @returns {import('./api.js').Parameters} of the route `file`
 */
export function fileOf(study, row, name) {
  return { study, run: row.run, name, tail: name === 'output.log' ? 200_000 : null };
}

/**
 * @param {string} study
 * @param {Row} row
 * @returns {{show: string, reproduce: string, logs: string}|null} commands for a shell; null if the trial has no number
 */
export function commands(study, row) {
  if (row.trial === null || row.trial === undefined) return null;
  const name = shellWord(study);
  const trial = rowId(row);
  return { show: `tuner show ${name} ${trial}`, reproduce: `tuner reproduce ${name} ${trial}`, logs: `tuner logs ${name} ${trial}` };
}

/** @param {string} text @returns {string} a single shell word, whatever it contains */
export function shellWord(text) {
  return /^[\w@%+=:,./-]+$/.test(text) && !text.startsWith('-') ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Copy text; if the browser forbids it, a field with the text is selected for copying by hand.
 * @param {string} text
 * @param {HTMLElement} near where the field appears
 * @returns {Promise<boolean>} whether it was copied
 */
export async function copy(text, near) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement('input');
    field.value = text;
    field.readOnly = true;
    field.setAttribute('aria-label', 'Copy this text');
    near.append(field);
    field.select();
    return false;
  }
}
