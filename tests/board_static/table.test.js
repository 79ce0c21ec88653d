import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextSort } from '../../tuner/board/static/grid/head.js';
import { movedPlace } from '../../tuner/board/static/grid/keys.js';
import { Pages, PAGE } from '../../tuner/board/static/grid/pages.js';
import { labelParts, stickyLefts, widths } from '../../tuner/board/static/grid/layout.js';
import { runFilter } from '../../tuner/board/static/host.js';
import { commands, shellWord } from '../../tuner/board/static/links.js';
import { messageOf, pageState } from '../../tuner/board/static/message.js';
import { rowValue } from '../../tuner/board/static/row_value.js';
import { Store } from '../../tuner/board/static/store.js';
import { emptyView } from '../../tuner/board/static/state.js';
import { defaultKeys, moved, shownColumns } from '../../tuner/board/static/visible_columns.js';

const fact = (key) => ({ key, label: key, group: 'fact', type: 'int' });
const param = (name, share, more = {}) => ({ key: `params.${name}`, label: name, group: 'param', type: 'float', share, ...more });
const columns = [...['rank', 'trial', 'state', 'cause', 'objective', 'attempts', 'duration_s', 'run'].map(fact), param('a', 0.1), param('b', 0.6), param('c', null), param('k', null, { constant: true }),
  { key: 'metrics.acc', label: 'acc', group: 'metric', type: 'float' }, { key: 'metrics.loss', label: 'loss', group: 'metric', type: 'float' }];

test('the most important parameter comes first, constants and the objective again do not come', () => {
  assert.deepEqual(defaultKeys(columns, 'acc'), ['rank', 'trial', 'state', 'objective', 'params.b', 'params.a', 'params.c', 'metrics.loss', 'duration_s', 'attempts']);
});

test("the user's columns and their order hold, unknown ones are passed over", () => {
  assert.deepEqual(shownColumns(columns, ['params.k', 'gone', 'trial'], null).map((one) => one.key), ['params.k', 'trial']);
  assert.deepEqual(moved(['a', 'b', 'c'], 'c', -2), ['c', 'a', 'b']);
  assert.deepEqual(moved(['a', 'b'], 'a', -1), ['a', 'b']);
});

test('ten thousand columns are not all drawn', () => {
  const many = [...columns, ...Array.from({ length: 10_000 }, (_, at) => param(`p${at}`, null))];
  assert.equal(shownColumns(many, [], null).length, 40);
  assert.equal(shownColumns(many, many.map((one) => one.key), null).length, 200);
});

test('a header sorts best first, then the other way, then as at the beginning', () => {
  const objective = columns.find((one) => one.key === 'objective');
  assert.deepEqual([nextSort('', objective, 'maximize'), nextSort('-objective', objective, 'maximize'), nextSort('objective', objective, 'maximize'), nextSort('', objective, 'minimize')], ['-objective', 'objective', '', 'objective']);
});

test('the keyboard stays inside the grid', () => {
  const size = { rows: 5, columns: 3, page: 2 };
  const go = (key, row, column, more = {}) => movedPlace({ key, ...more }, { row, column }, size);
  assert.deepEqual([go('ArrowUp', -1, 0), go('ArrowDown', 4, 0), go('ArrowLeft', 0, 0), go('End', 2, 0), go('PageDown', 1, 1), go('Home', 3, 2, { ctrlKey: true })],
    [{ row: -1, column: 0 }, { row: 4, column: 0 }, { row: 0, column: 0 }, { row: 2, column: 2 }, { row: 3, column: 1 }, { row: -1, column: 0 }]);
  assert.equal(go('x', 0, 0), null);
});

test('rows are asked for by the page that is in view, and those of before stay until the answer', async () => {
  const asked = [];
  let name = 'old';
  const pages = new Pages(async (parameters) => {
    asked.push(parameters.offset);
    const rows = Array.from({ length: PAGE }, (_, at) => ({ trial: parameters.offset + at, run: name }));
    return { matching: 5000, rows };
  }, { answered: () => undefined, failed: assert.fail });
  pages.ask({ study: 's' });
  await settle();
  pages.need(4000, 4030);
  await settle();
  assert.deepEqual(asked, [0, 4000]);
  assert.equal(pages.row(4010).trial, 4010);
  assert.equal(pages.row(2000), undefined);
  name = 'new';
  pages.refresh();
  assert.equal(pages.row(4010).run, 'old');
  await settle();
  assert.equal(pages.row(4010).run, 'new');
  assert.deepEqual(asked, [0, 4000, 4000]);
});

test('an answer that comes too late is not shown', async () => {
  const answers = [];
  const pages = new Pages(() => new Promise((resolve) => answers.push(resolve)), { answered: () => undefined, failed: assert.fail });
  pages.ask({ query: 'first' });
  pages.ask({ query: 'second' });
  answers[1]({ matching: 1, rows: [{ trial: 2, run: 'b' }] });
  answers[0]({ matching: 1, rows: [{ trial: 1, run: 'a' }] });
  await settle();
  assert.equal(pages.row(0).trial, 2);
});

test('widths hold names and values, and what stays in view stays at its place', () => {
  const wide = widths(columns.slice(0, 5), [], 'val_accuracy', false);
  assert.ok(wide.every((one) => one >= 58 && one <= 260));
  assert.deepEqual(stickyLefts(columns.slice(0, 3), [88, 92, 120], false), [38, 126, null]);
  assert.deepEqual(labelParts('train.learning_rate'), ['train.', 'learning_rate']);
});

test('only the runs that are meant are filtered, whatever their names hold', () => {
  const pattern = new RegExp(runFilter(['a.b(1)', 'c|d']));
  assert.deepEqual(['a.b(1)', 'axb(1)', 'c|d', 'c', 'a.b(1)2'].map((run) => pattern.test(run)), [true, false, true, false, false]);
});

test('commands are one word a name in a shell', () => {
  assert.equal(commands('vision/digits', { trial: 7, run: 'r' }).show, 'tuner show vision/digits 7');
  assert.equal(shellWord("a'; rm -rf ~"), "'a'\\''; rm -rf ~'");
  assert.equal(commands('logs', { trial: null, run: 'r' }), null);
});

test('each state of the page says what to do', () => {
  const state = { view: { ...emptyView(), study: 's' }, studies: { studies: [], loading: false }, study: null, table: null, columns: [], shown: [], theme: 'light', live: 'live', heard: 0, error: null, busy: false };
  assert.match(messageOf(state).text, /tuner run study.yaml/);
  assert.equal(pageState(state), 'empty');
  assert.match(messageOf({ ...state, studies: null }).title, /Reading/);
  assert.match(messageOf({ ...state, error: Object.assign(new Error('gone'), { status: 404 }) }).title, /no study s here/);
  assert.equal(messageOf({ ...state, table: { matching: 0, total: 5 }, view: { ...state.view, query: 'x' } }).act, 'clear');
  assert.equal(messageOf({ ...state, table: { matching: 3, total: 5 } }), null);
});

test('a part is drawn once for all changes of one turn', async () => {
  const store = new Store({ view: emptyView(), studies: null, study: null, table: null, columns: [], shown: [], theme: 'light', live: 'live', heard: 0, error: null, busy: false });
  let drawn = 0;
  store.subscribe(['view', 'busy'], () => (drawn += 1));
  store.look({ query: 'a' });
  store.set({ busy: true });
  store.set({ heard: 5 });
  await settle();
  assert.equal(drawn, 1);
});

function settle() {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

test('logs of others are listed by their runs', () => {
  assert.deepEqual(defaultKeys(columns, 'acc', 'hparams').slice(0, 4), ['rank', 'run', 'state', 'objective']);
  assert.deepEqual(defaultKeys(columns, 'acc', 'hparams', true).slice(0, 4), ['rank', 'run', 'objective', 'state']);
  assert.ok(!defaultKeys(columns, 'acc', 'hparams').includes('attempts'));
});

test('what every object has is no value of a trial', () => {
  const row = JSON.parse('{"params": {"__proto__": 5, "a": 0}, "metrics": {}}');
  assert.deepEqual([rowValue(param('a'), row), rowValue(param('__proto__'), row), rowValue(param('constructor'), row)], [0, 5, undefined]);
  assert.equal(rowValue({ key: 'metrics.__proto__', group: 'metric' }, row), undefined);
});
