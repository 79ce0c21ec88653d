import assert from 'node:assert/strict';
import { test } from 'node:test';
import { causeWord, exactValue, formatDuration, formatNumber, formatTime, formatValue, reasonLine, stateKey, stateWord, visible, visibleLines } from '../../tuner/board/static/format.js';

test('values keep their types', () => {
  const shown = [[128, { type: 'int' }], [128, { type: 'float' }], ['adam'], [0.0014081234, { type: 'float' }], [true], ['true'], ['12'], [''], [null], [undefined], [{ int: '9007199254740993' }]];
  assert.deepEqual(shown.map(([value, column]) => formatValue(value, column)), ['128', '128.0', 'adam', '0.001408', 'true', '"true"', '"12"', '""', '', '', '9007199254740993']);
});

test('numbers are short, and their whole part is never rounded away', () => {
  assert.deepEqual([1e-7, 1.2346e-7, 123456.78, 0.5, 1 / 3, 1e12, 1.5e12, -0.00002, 0, NaN, Infinity].map((x) => formatNumber(x)), ['1e-7', '1.235e-7', '123456.8', '0.5', '0.3333', '1000000000000', '1500000000000', '-2e-5', '0', '', '']);
  assert.equal(exactValue(0.1 + 0.2), '0.30000000000000004');
});

test('nothing that cannot be seen is left in a text, and a text has an end', () => {
  assert.equal(visible('a\u202eb\u001b[31m\nc\u200b'), 'a\\u202eb\\u001b[31m\\u000ac\\u200b');
  assert.equal(visible('x'.repeat(1000)).length, 301);
  assert.equal(formatValue('<script>'), '<script>');
});

test('a traceback is told by what was raised, in one line, and keeps its lines in full', () => {
  const reason = 'Traceback (most recent call last):\n  File "a.py", line 3\n\tx\u001b[1m\nValueError: no such layer\n';
  assert.equal(reasonLine(reason), 'ValueError: no such layer');
  assert.equal(reasonLine('epoch 4: worse\nthan the median'), 'epoch 4: worse');
  assert.equal(reasonLine(null), '');
  assert.equal(visibleLines(reason).split('\n').length, 5);
  assert.ok(!visibleLines(reason).includes('\u001b'));
});

test('durations are read as people say them', () => {
  assert.deepEqual([0.04, 9.96, 59.6, 200, 3600, 7500, 273600, null, -1, NaN].map(formatDuration), ['0 s', '10 s', '1 min', '3 min 20 s', '1 h', '2 h 5 min', '3 d 4 h', '', '', '']);
});

test('a time that is none is nothing', () => {
  assert.deepEqual([formatTime('yesterday'), formatTime(null), formatTime('2026-11-22T10:00:00Z').length], ['', '', 16]);
});

test('states and causes are words, unknown ones too', () => {
  assert.deepEqual(['COMPLETE', 'fail', 'running', null, '<b>'].map(stateWord), ['complete', 'failed', 'running', 'unknown', '<b>']);
  assert.deepEqual(['fail', 'odd', 'constructor'].map(stateKey), ['fail', 'unknown', 'unknown']);
  assert.deepEqual(['oom', '', 'constructor'].map(causeWord), ['out of memory', '', 'constructor']);
});
