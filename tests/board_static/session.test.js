import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Session } from '../../tuner/board/static/session.js';
import { Store } from '../../tuner/board/static/store.js';
import { emptyView } from '../../tuner/board/static/state.js';

const study = { study: 's', version: 1, updated: '2026-01-01T00:00:00Z', counts: {}, metrics: [] };
const table = { study: 's', version: 1, matching: 1, total: 1, columns: [], rows: [{ trial: 1, run: 'a' }] };
const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

function begin(view, trials, studies = async () => ({ studies: [study], loading: false })) {
  globalThis.window = { setTimeout: () => 0 };
  const store = new Store({ view: { ...emptyView(), ...view }, studies: null, study: null, table: null, columns: [], shown: [], theme: 'light', live: 'loading', heard: 0, error: null, busy: false });
  const session = new Session({ trials, studies }, store, { shown: () => true, onShown: () => undefined });
  return { store, session };
}

test('without a name the newest study is opened', async () => {
  const older = { ...study, study: 'old', updated: '2025-01-01T00:00:00Z' };
  const { store, session } = begin({}, async () => table, async () => ({ studies: [older, study], loading: false }));
  await session.begin();
  await settle();
  assert.deepEqual([store.state.view.study, store.state.table?.matching, store.state.live], ['s', 1, 'live']);
});

test('rows are asked for again only when the version of the study changed', async () => {
  let asked = 0;
  let version = 1;
  const { session } = begin({ study: 's' }, async () => ((asked += 1), { ...table, version }), async () => ({ studies: [{ ...study, version }], loading: false }));
  await session.begin();
  await settle();
  await session._beat();
  await settle();
  assert.equal(asked, 1);
  version = 2;
  await session._beat();
  await settle();
  assert.equal(asked, 2);
});

test('a server that does not answer leaves what is shown, a study that is gone does not', async () => {
  let fault = null;
  const { store, session } = begin({ study: 's' }, async () => {
    if (fault) throw fault;
    return table;
  });
  await session.begin();
  await settle();
  fault = Object.assign(new Error('away'), { status: 0 });
  store.look({ query: 'x' });
  await settle();
  assert.deepEqual([store.state.table?.total, store.state.live, store.state.error?.message], [1, 'away', 'away']);
  fault = null;
  await session._beat();
  await settle();
  assert.deepEqual([store.state.table?.total, store.state.error], [1, null]);
  fault = Object.assign(new Error('gone'), { status: 404 });
  store.look({ query: 'y' });
  await settle();
  assert.deepEqual([store.state.table, store.state.error?.message], [null, 'gone']);
});
