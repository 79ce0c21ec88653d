import assert from "node:assert/strict";
import { test } from "node:test";
import { scaleOf, withoutOutliers } from "../../tuner/board/static/plots/scales.js";

const column = (over) => ({ key: "params.x", label: "x", group: "param", type: "float", ...over });

test("a log scale gives each decade the same room", () => {
  const scale = scaleOf(column({ log: true, low: 1e-5, high: 1e-1 }), [1e-3]);
  assert.equal(scale.kind, "log");
  assert.ok(Math.abs(scale.place(1e-3) - 0.5) < 1e-9);
  assert.ok(Math.abs(scale.value(0.25) / 1e-4 - 1) < 1e-9);
});

test("a learning rate in a log that declares no range is seen as logarithmic, others are not", () => {
  const rates = Array.from({ length: 41 }, (_, index) => 10 ** (-5 + index / 10));
  assert.equal(scaleOf(column({ log: false }), rates).kind, "log");
  assert.equal(scaleOf(column({ log: false, low: 1e-5, high: 0.1 }), rates).kind, "linear");
  assert.equal(scaleOf(column({ log: false }), rates.map((_, index) => index + 1)).kind, "linear");
});

test("trials without the value stand apart below the values and skew nothing", () => {
  const scale = scaleOf(column({ low: 0, high: 1 }), [0, null, 1]);
  assert.ok(scale.place(null) < scale.place(0));
  assert.equal(scale.place(1), 1);
  assert.equal(scale.absentText, "inactive");
  assert.ok(scale.ticks.every((tick) => tick.at >= scale.floor));
});

test("without absent values there is no place for them", () => {
  const scale = scaleOf(column({ low: 0, high: 1 }), [0, 1]);
  assert.equal(scale.absent, null);
  assert.equal(scale.place(0), 0);
});

test("true is another choice than the text true", () => {
  const scale = scaleOf(column({ type: "text", values: [true, "true"] }), [true, "true"]);
  assert.notEqual(scale.place(true), scale.place("true"));
  assert.deepEqual(scale.ticks.map((tick) => tick.text), ["true", '"true"']);
  const long = scaleOf(column({ type: "int", values: [{ int: "9007199254740993" }, { int: "9007199254740995" }] }), []);
  assert.deepEqual(long.ticks.map((tick) => tick.text), ["…7199254740993", "…7199254740995"]);
});

test("ordinal choices keep their order, numbers found in a log are sorted", () => {
  const declared = scaleOf(column({ type: "int", values: [16, 32, 64] }), [64, 16]);
  assert.deepEqual(declared.ticks.map((tick) => tick.text), ["16", "32", "64"]);
  const mixed = scaleOf(column({ type: "text" }), ["b", "a", "b"]);
  assert.deepEqual(mixed.choices, ["b", "a"]);
});

test("more choices than an axis has room for share one place", () => {
  const values = Array.from({ length: 500 }, (_, index) => `name ${index}`);
  const scale = scaleOf(column({ type: "text" }), values);
  assert.equal(scale.ticks.length, 31);
  assert.equal(scale.ticks.at(-1).text, "470 others");
  assert.equal(scale.place("name 499"), scale.ticks.at(-1).at);
});

test("one value, NaN everywhere and nothing at all give a scale without NaN", () => {
  for (const values of [[3], [NaN, null], [], [Infinity, -Infinity]]) {
    const scale = scaleOf(column({}), values);
    for (const value of [...values, 3]) assert.ok(scale.place(value) >= 0 && scale.place(value) <= 1);
  }
});

test("integers above 2^53 come as text and have their place", () => {
  const scale = scaleOf(column({ type: "int" }), [{ int: "9007199254740993" }, 0]);
  assert.equal(scale.place({ int: "9007199254740993" }), 1);
});

test("a loss of 1e30 does not flatten the rest", () => {
  const [low, high] = withoutOutliers([0.1, 0.2, 0.3, 0.25, 0.15, 0.22, 0.18, 1e30]);
  assert.deepEqual([low, high], [0.1, 0.3]);
});

test("values beyond the declared range widen it", () => {
  const scale = scaleOf(column({ low: 0, high: 1 }), [2]);
  assert.equal(scale.place(2), 1);
  assert.ok(scale.place(1) < 1);
});
