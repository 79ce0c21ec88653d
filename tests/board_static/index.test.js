import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { MODULES } from '../../tuner/board/static/index.js';

const ROOT = new URL('../../tuner/board/static/', import.meta.url);
const IMPORT = /^(?:import|export)\s[^;]*?from '(\.[^']+)'/gm;

/** Return the files that a module imports without being asked, directly or not. */
function imported(url, found = new Set()) {
  for (const match of readFileSync(url, 'utf8').matchAll(IMPORT)) {
    const next = new URL(match[1], url);
    if (found.has(next.href)) continue;
    found.add(next.href);
    imported(next, found);
  }
  return found;
}

test('the first screen asks for each of its modules at once, and for no other', () => {
  const needed = [...imported(new URL('app.js', ROOT))].map((url) => url.slice(ROOT.href.length));

  assert.deepEqual([...MODULES].sort(), needed.sort());
});
