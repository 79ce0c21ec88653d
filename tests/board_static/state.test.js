import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyView, formatHash, parseHash, rowId } from '../../tuner/board/static/state.js';

const full = {
  ...emptyView(), study: 'vision/digits-cnn', sort: '-objective', query: 'a=1 b>"x&y" -c:ä#', columns: ['trial', 'params.train.lr', 'a,b&c=d'],
  trials: ['3', '17', 'run/with,comma'], open: '7', plot: 'parallel', metric: 'val loss', goal: 'minimize', value: 'best', theme: 'dark',
};

test('a link reproduces the view', () => {
  assert.deepEqual(parseHash(formatHash(full)).view, full);
});

test('a link that TensorBoard wrote anew, with its commas encoded, is the same view', () => {
  assert.deepEqual(parseHash(formatHash(full).replaceAll(',', '%2C')).view, full);
});

test('the link that the command line prints opens the study', () => {
  assert.equal(parseHash('#best_trials&bt.study=vision%2Fdigits-cnn').view.study, 'vision/digits-cnn');
  assert.equal(formatHash({ ...emptyView(), study: 'vision/digits-cnn' }), '#best_trials&bt.study=vision%2Fdigits-cnn');
});

test('keys of others are kept as they stand, and unknown ones of ours dropped', () => {
  const { other, plugin } = parseHash('#timeseries&bt.study=x&foo=%41&bt.unknown=1');
  assert.deepEqual([plugin, other], ['timeseries', ['foo=%41']]);
  assert.equal(formatHash({ ...emptyView(), study: 'x' }, other), '#best_trials&bt.study=x&foo=%41');
});

test('what a link may not say is as if it said nothing', () => {
  const { view } = parseHash('#best_trials&bt.theme=<b>&bt.goal=up&bt.value=&bt.trials=1,1,2,3,4,5,6,7&bt.q=%E0%A4%A&__proto__=1');
  assert.deepEqual([view.theme, view.goal, view.value, view.trials, view.query], ['', '', '', ['1', '2', '3', '4', '5'], '%E0%A4%A']);
});

test('a link is read in bounded size', () => {
  const { view } = parseHash(`#best_trials&bt.q=${'x'.repeat(100_000)}&bt.cols=${'a,'.repeat(1000)}${Array.from({ length: 900 }, (_, at) => `c${at}`).join(',')}`);
  assert.equal(view.query.length, 4000);
  assert.ok(view.columns.length <= 200);
});

test('a trial is named by its number, and without one by its run', () => {
  assert.equal(rowId({ trial: 0, run: 'a' }), '0');
  assert.equal(rowId({ trial: null, run: 'a' }), 'a');
});
