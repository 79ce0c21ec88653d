import assert from "node:assert/strict";
import { test } from "node:test";
import { apart } from "../../tuner/board/static/plots/labels.js";
import { counted, numberOf, percent, short, textOf } from "../../tuner/board/static/plots/numbers.js";
import { bestIndices, bestSoFar, jitter, thinned } from "../../tuner/board/static/plots/sampling.js";
import { linearTicks, logTicks } from "../../tuner/board/static/plots/ticks.js";
import { paretoFront } from "../../tuner/board/static/plots/front.js";
import { together } from "../../tuner/board/static/advice.js";
import { rangeYaml } from "../../tuner/board/static/plots/yaml.js";
import { rampColour, stateOf } from "../../tuner/board/static/plots/palette.js";

test("numbers are short and keep what matters", () => {
  assert.deepEqual([0.0014081, 128, 1e-5, 2.5e6, 0, -0.5, 6.297e-4].map((value) => short(value)), ["0.001408", "128", "1e-5", "2.5e6", "0", "-0.5", "0.0006297"]);
  assert.equal(numberOf(NaN), null);
  assert.equal(numberOf("3"), null);
  assert.equal(textOf({ int: "9007199254740993" }), "9007199254740993");
  assert.equal(textOf(1048576), "1048576");
  assert.equal(textOf(null), "inactive");
  assert.equal(percent(0.004), "< 1 %");
  assert.equal(counted(1, "trial"), "1 trial");
  assert.equal(counted(5000, "trial"), "5\u202f000 trials");
});

test("ticks are round, within the range, and finite for odd ranges", () => {
  assert.deepEqual(linearTicks(0, 1, 5), [0, 0.5, 1]);
  assert.deepEqual(linearTicks(1, 8, 4), [2, 4, 6, 8]);
  assert.deepEqual(linearTicks(3, 3), [3]);
  assert.deepEqual(logTicks(1e-5, 1e-1), [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]);
  assert.deepEqual(logTicks(0.2, 0.9), [0.2, 0.5]);
  assert.ok(logTicks(1e-300, 1e300).length < 20);
  assert.ok(linearTicks(-1e308, 1e308).length >= 1);
});

test("best so far goes past absent values and knows the goal", () => {
  assert.deepEqual(bestSoFar([null, 2, null, 1, 3], true), { best: [null, 2, 2, 2, 3], gains: [1, 4] });
  assert.deepEqual(bestSoFar([null, 2, 1, 3], false).best, [null, 2, 1, 1]);
  assert.deepEqual(bestIndices([1, null, 3, 3], true, 2), [2, 3]);
});

test("a thinned plot keeps what it must, evenly, and is the same at each drawing", () => {
  const kept = thinned(10_000, 100, [9_999]);
  assert.ok(kept.length <= 101 && kept.includes(9_999));
  assert.deepEqual(kept, thinned(10_000, 100, [9_999]));
  assert.deepEqual(thinned(3, 100), [0, 1, 2]);
  assert.equal(jitter(7), jitter(7));
  assert.ok(Math.abs(jitter(7)) <= 0.5);
});

test("the front holds what no other trial beats in all metrics, equal trials too", () => {
  const rows = [[0.9, 10], [0.8, 5], [0.7, 7], [0.9, 10], [null, 1]];
  assert.deepEqual(paretoFront(rows, [true, false]), [0, 1, 3]);
  const three = rows.map((row) => [...row, 1]);
  assert.deepEqual(paretoFront(three, [true, false, false]), [0, 1, 3]);
  assert.deepEqual(paretoFront([], [true, false]), []);
});

test("two metrics and the general rule agree", () => {
  const rows = Array.from({ length: 300 }, (_, index) => [Math.round(10 * jitter(index)), Math.round(10 * jitter(index + 999))]);
  assert.deepEqual(paretoFront(rows, [false, true]), paretoFront(rows.map((row) => [...row, 0]), [false, true, true]));
});

test("labels at the ends of lines do not cover one another and stay within the plot", () => {
  const placed = apart([0.5, 0.5, 0.99, 1], 0.1, 0, 1).sort((a, b) => a - b);
  for (let index = 1; index < placed.length; index += 1) assert.ok(placed[index] - placed[index - 1] >= 0.1 - 1e-9);
  assert.ok(placed.at(-1) <= 1 && placed[0] >= 0);
  assert.deepEqual(apart([0.2, 0.8], 0.1), [0.2, 0.8]);
});

test("a range to try is a line of a spec", () => {
  const edge = { name: "train.learning_rate", try: { low: 1e-6, high: 0.01, log: true } };
  assert.equal(rangeYaml(edge), "train.learning_rate: {type: float, low: 1.0e-6, high: 0.01, log: true}");
  assert.equal(rangeYaml({ name: "on", try: { low: 1, high: 12 } }, "int"), '"on": {type: int, low: 1, high: 12}');
  assert.equal(rangeYaml({ name: "x", try: { low: 2, high: 1 } }), null);
  assert.equal(rangeYaml({ name: "x" }), null);
});

test("what is said of several parameters is said once", () => {
  const said = (parameter) => ({ parameter, text: `${parameter} hardly matters: fix it` });
  assert.deepEqual(together([said("a"), said("b"), said("c"), { text: "nor do 2 more" }]), ["Each of a, b and c hardly matters: fix it.", "Nor do 2 more."]);
  assert.deepEqual(together([said("a")]), ["a hardly matters: fix it."]);
  assert.deepEqual(together([{ parameter: "rate", text: "rate: the best lie below" }, { text: "the next trial may help" }]), ["rate: the best lie below.", "The next trial may help."]);
});

test("an unknown state has a word and a sign of its own", () => {
  assert.equal(stateOf("__proto__").word, "state unknown");
  assert.equal(stateOf("failed").word, "failed");
  assert.match(rampColour(NaN, "dark"), /^rgb\(\d+,\d+,\d+\)$/);
});
