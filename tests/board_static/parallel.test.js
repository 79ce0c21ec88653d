import assert from "node:assert/strict";
import { test } from "node:test";
import { axisOf, geometryOf, moved, nearest, shownColumns, yOf } from "../../tuner/board/static/plots/parallel/axes.js";
import { brushOf, keyed, select } from "../../tuner/board/static/plots/parallel/brushes.js";
import { terms as split } from "../../tuner/board/static/query_text.js";
import { read, rounded, termsOf, written } from "../../tuner/board/static/plots/parallel/filter.js";
import { drawnOrder, spread } from "../../tuner/board/static/plots/parallel/lines.js";

const column = (key, over = {}) => ({ key: `params.${key}`, label: key, group: "param", type: "float", ...over });
const rate = axisOf(column("rate", { log: true, low: 1e-5, high: 1e-1 }), [1e-4, 1e-3, 1e-2, 1e-2]);
const momentum = axisOf(column("momentum", { low: 0, high: 1 }), [null, 0.5, 0.9, null]);
const optimizer = axisOf(column("optimizer", { type: "text", values: ["adam", "sgd", "rms prop"] }), ["adam", "sgd", "sgd", "rms prop"]);
const words = (search) => split(search).map(({ at, length }) => search.slice(at, at + length));
const axes = [rate, momentum, optimizer];
const kept = (brushes, within = null) => {
  const into = new Uint8Array(4);
  const count = select(axes, new Map(brushes), into, within);
  assert.equal(count, into.reduce((sum, one) => sum + one, 0));
  return [...into];
};

test("a brush keeps the trials that cross it, several keep those that cross all", () => {
  assert.deepEqual(kept([["rate", { from: 0.4, to: 1 }]]), [0, 1, 1, 1]);
  assert.deepEqual(kept([["rate", { from: 0.4, to: 1 }], ["momentum", { from: 0, to: 0.05 }]]), [0, 0, 0, 1]);
  assert.deepEqual(kept([], Uint8Array.from([1, 0, 0, 0])), [1, 0, 0, 0]);
});

test("a brush becomes words of the search, and those words become the brush again", () => {
  const cases = [
    [rate, { from: 0.25, to: 0.75 }, ["rate>=0.0001", "rate<=0.01"]],
    [rate, { from: 0, to: 0.75 }, ["rate<=0.01"]],
    [rate, { from: 0.1, to: 1 }, ["rate>=2.511e-5"]],
    [momentum, { from: 0, to: 0.05 }, ["momentum:inactive"]],
    [momentum, { from: 0.1, to: 1 }, ["-momentum:inactive"]],
    [momentum, { from: 0, to: momentum.scale.place(0.5) }, ["-momentum>0.5"]],
    [optimizer, { from: 0.34, to: 0.66 }, ["optimizer=sgd"]],
    [optimizer, { from: 0.34, to: 1 }, ["-optimizer=adam"]],
    [optimizer, { from: 0.68, to: 1 }, ['optimizer="rms prop"']],
  ];
  for (const [axis, brush, terms] of cases) {
    assert.deepEqual(termsOf(axis, brush), terms);
    const again = read(terms.join(" "), axes);
    assert.equal(again.rest, "");
    assert.deepEqual(kept(again.brushes), kept([[axis.key, brush]]), terms.join(" "));
  }
});

test("words that are no brush stay in the search as they are", () => {
  const search = 'state:complete "a text" momentum!=3 optimizer:ad';
  assert.deepEqual([...read(search, axes).brushes], []);
  assert.deepEqual(words(read(search, axes).rest).sort(), words(search).sort());
  assert.deepEqual(words(written(`${search} rate>=0.001`, axes, new Map())).sort(), words(search).sort());
  assert.equal(written("state:complete rate>=0.01", axes, new Map([["rate", { from: 0.5, to: 1 }]])), "state:complete rate>=0.001");
});

test("true and the text true are brushed apart", () => {
  const odd = axisOf(column("odd", { type: "text", values: [true, "true", 1] }), [true, "true", 1]);
  const brush = { from: 0.34, to: 0.66 };
  assert.deepEqual(termsOf(odd, brush), ['odd="true"']);
  assert.deepEqual(read('odd="true"', [odd]).brushes.get("odd").from > 0.3, true);
  assert.ok(read("odd=true", [odd]).brushes.get("odd").to < 0.34);
});

test("an axis with any name is written as one that the search can name", () => {
  for (const name of ["two words", 'a "quoted" one', "-minus", "a=b", "back\\slash"]) {
    const axis = axisOf(column(name, { key: `params.${name}`, label: name }), [1, 2, 3]);
    const found = termsOf(axis, { from: 0.25, to: 1 });
    assert.equal(split(found[0])[0].name, axis.key);
    assert.equal(read(found.join(" "), [axis]).brushes.size, 1, found[0]);
  }
});

test("a bound is rounded away from what is kept", () => {
  assert.equal(rounded(0.00123456, false), 0.001234);
  assert.equal(rounded(0.00123456, true), 0.001235);
  assert.equal(rounded(-123456, true), -123400);
  assert.equal(rounded(0, true), 0);
});

test("keys make, move, widen and remove a brush within the axis", () => {
  const made = keyed(null, "Enter", "whole", 0.98);
  assert.ok(made.from < 0.98 && made.to === 1);
  assert.deepEqual(keyed({ from: 0.9, to: 1 }, "ArrowUp", "whole", 0), { from: 0.9, to: 1 });
  assert.ok(keyed({ from: 0.2, to: 0.4 }, "ArrowUp", "upper", 0).to > 0.4);
  assert.ok(keyed({ from: 0.2, to: 0.4 }, "ArrowDown", "lower", 0).from < 0.2);
  assert.equal(keyed({ from: 0.2, to: 0.4 }, "Home", "whole", 0).from, 0);
  assert.equal(keyed({ from: 0.2, to: 0.4 }, "Escape", "whole", 0), null);
  assert.equal(keyed(null, "a", "whole", 0), undefined);
  assert.equal(brushOf(0.5, 0.501), null);
});

test("axes move and none is lost", () => {
  assert.deepEqual(moved(["a", "b", "c"], 0, 2), ["b", "c", "a"]);
  assert.deepEqual(moved(["a", "b", "c"], 2, -5), ["c", "a", "b"]);
});

test("of 300 parameters as many are shown as fit, those of one value last", () => {
  const many = [column("constant", { constant: true }), ...Array.from({ length: 300 }, (_, index) => column(`p${index}`))];
  const shown = shownColumns(many, null, 1000);
  assert.equal(shown.length, 10);
  assert.equal(shown[0].key, "params.p0");
  assert.deepEqual(shownColumns(many, ["params.p9", "params.unknown"], 1000).map((one) => one.key), ["params.p9"]);
});

test("the nearest line is found between axes, and only among those that are kept", () => {
  const geometry = geometryOf(500, 2);
  const y = yOf(geometry, rate.places[0]);
  assert.equal(nearest([rate, rate], geometry, new Uint8Array(4).fill(1), 250, y, 7), 0);
  assert.equal(nearest([rate, rate], geometry, Uint8Array.from([0, 1, 1, 1]), 250, y, 7), -1);
});

test("any beginning of the drawing order is spread over all trials, the best on top", () => {
  const order = spread(1000);
  assert.equal(new Set(order).size, 1000);
  assert.ok([...order.subarray(0, 100)].filter((index) => index < 500).length > 25);
  const drawn = drawnOrder(Int32Array.from([3, 1, 2, 0]), Uint8Array.from([1, 0, 1, 1]), [2, 1]);
  assert.deepEqual([...drawn.order], [2, 3, 2, 0, 2]);
  assert.equal(drawn.strong, 1);
});
