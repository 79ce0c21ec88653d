/** What the coordinator computed of a study: importance, advice, history. Requested once per version. */

/** @type {WeakMap<object, {key: string, answer: Promise<any>}>} */
const answers = new WeakMap();

/**
 * @param {import("./types.js").Context} context
 * @returns {Promise<any>} an object; each of its keys may be absent or of another type
 */
export async function insightsOf(context) {
  const key = JSON.stringify([context.study.study, context.study.updated, context.study.trials]);
  let known = answers.get(context.api);
  if (known?.key !== key) {
    known = { key, answer: context.api.importance({ study: context.study.study }) };
    answers.set(context.api, known);
    known.answer.catch(() => answers.delete(context.api));
  }
  const found = await known.answer;
  return found && typeof found === "object" ? found : {};
}
