import assert from "node:assert/strict";
import { test } from "node:test";
import { checked, chosenOf, isResult, orderRuns } from "../../tuner/board/static/plots/points.js";

test("an answer of any shape becomes lists of one length", () => {
  for (const odd of [null, [], "text", { trial: 3 }, { trial: [1, null], run: ["a"], columns: [] }]) {
    const points = checked(odd, ["params.x"]);
    assert.equal(points.trial.length, points.count);
    assert.equal(points.columns["params.x"].length, points.count);
    assert.ok(points.objective.every((value) => value === null));
  }
});

test("runs of other tools are ordered by when they began, else as a person counts", () => {
  const named = checked({ trial: [null, null, null], run: ["run 10", "run 9", "run 1"] }, []);
  orderRuns(named);
  assert.deepEqual(named.order, [2, 1, 0]);
  const timed = checked({ trial: [null, null], run: ["a", "b"], columns: { started: ["2026-11-29T02:00:00Z", "2026-11-29T01:00:00Z"] } }, ["started"]);
  orderRuns(timed);
  assert.deepEqual(timed.order, [1, 0]);
  const numbered = checked({ trial: [7, 3] }, []);
  orderRuns(numbered);
  assert.deepEqual(numbered.order, [7, 3]);
});

test("trials in an address are text, and numbers again for the plots", () => {
  assert.deepEqual(chosenOf({ state: { get: () => ({ trials: ["3", "run 4"] }) } }), [3, "run 4"]);
  assert.deepEqual(chosenOf({ state: { get: () => ({}) } }), []);
});

test("a trial that was stopped early or failed is no result", () => {
  assert.deepEqual(["complete", "running", "pruned", "fail", ""].map(isResult), [true, true, false, false, false]);
});
