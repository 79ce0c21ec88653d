import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completions, wordAt } from '../../tuner/board/static/completion.js';
import { replaceTerms, term, terms, termsOf } from '../../tuner/board/static/query_text.js';

const columns = [
  { key: 'state', label: 'state', group: 'fact', type: 'state' },
  { key: 'params.train.learning_rate', label: 'train.learning_rate', group: 'param', type: 'float', low: 1e-5, high: 0.1 },
  { key: 'params.train.optimizer', label: 'train.optimizer', group: 'param', type: 'text', values: ['adam', 'sgd', 'true', 'two words'] },
];

test('terms are told apart as the server does', () => {
  const found = terms('train.batch_size=64 -state:pruned note:"two words" "out of memory" plain x>=1e-3');
  assert.deepEqual(found.map((one) => [one.negated, one.name, one.operator, one.value]), [
    [false, 'train.batch_size', '=', '64'], [true, 'state', ':', 'pruned'], [false, 'note', ':', 'two words'], [false, '', '', 'out of memory'], [false, '', '', 'plain'], [false, 'x', '>=', '1e-3'],
  ]);
});

test('a filter takes the place of its own terms only', () => {
  const query = 'a>1 -b:x plain a<5';
  assert.equal(replaceTerms(query, 'a', ['a>=2']), '-b:x plain a>=2');
  assert.equal(replaceTerms(query, 'a', []), '-b:x plain');
  assert.deepEqual(termsOf(query, 'a').map((one) => one.operator), ['>', '<']);
});

test('a text is quoted where it would be another type or two terms', () => {
  assert.deepEqual([term('a', '=', 'adam', true), term('a', '=', 'true', true), term('a', '=', 'true'), term('a', '=', 'x y'), term('a', ':', 'q"\\'), term('a', '>=', '-1.5')],
    ['a=adam', 'a="true"', 'a=true', 'a="x y"', 'a:"q\\"\\\\"', 'a>=-1.5']);
  for (const value of ['x y', 'q"\\', 'a=b', '-x', '"']) assert.equal(terms(term('n', '=', value))[0].value, value);
});

test('a name with blanks or signs is quoted, read and completed', () => {
  const odd = [{ key: 'params.learning rate', label: 'learning rate', group: 'param', type: 'float' }, { key: 'params.kind of', label: 'kind of', group: 'param', type: 'text', values: ['a b'] }];
  assert.equal(term('learning rate', '<', '0.1'), '"learning rate"<0.1');
  assert.deepEqual(terms('-"learning rate"<0.1 x').map((one) => [one.negated, one.name, one.operator, one.value]), [[true, 'learning rate', '<', '0.1'], [false, '', '', 'x']]);
  assert.equal(replaceTerms('"learning rate"<0.1 x', 'learning rate', []), 'x');
  assert.deepEqual(completions('lear', 4, odd).map((one) => one.text), ['"learning rate"']);
  assert.deepEqual(completions('x "kind of"=a', 13, odd).map((one) => one.text), ['"kind of"="a b" ']);
});

test('a long search takes time in proportion', () => {
  for (const text of ['"'.repeat(4000), 'a='.repeat(2000), `a="${'\\'.repeat(4000)}`]) terms(text);
});

test('names are completed where a name is written, values behind an operator', () => {
  assert.deepEqual(completions('lear', 4, columns).map((one) => one.text), ['train.learning_rate']);
  assert.deepEqual(completions('x=1 -sta', 8, columns).map((one) => one.text), ['-state:']);
  assert.deepEqual(completions('state:pr', 8, columns).map((one) => one.text), ['state:pruned ']);
  assert.deepEqual(completions('train.optimizer=t', 17, columns).map((one) => one.text), ['train.optimizer="true" ', 'train.optimizer="two words" ']);
  assert.deepEqual(completions('', 0, columns), []);
});

test('the word at the cursor is found inside quotes too', () => {
  assert.deepEqual(wordAt('a=1 note:"two wo', 16), { at: 4, word: 'note:"two wo' });
  assert.deepEqual(wordAt('a=1 sta rest', 7), { at: 4, word: 'sta' });
});
