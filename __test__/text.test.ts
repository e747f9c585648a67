import test from 'ava'
import stringWidth from 'fast-string-width'
import { cut, cutStart, fitParts, wrap } from '../src/text.js'

test('wrap breaks at spaces and keeps long words whole', (t) => {
  t.deepEqual(wrap('one two three', 7), ['one two', 'three'])
  t.deepEqual(wrap('averylongword x', 5), ['averylongword', 'x'])
  t.deepEqual(wrap('', 5), [])
})

test('cut and cutStart never exceed the width, for wide and joined characters too', (t) => {
  for (const text of [
    'plain ascii text',
    '日本語のファイル名',
    '👩‍👩‍👧‍👦 family 👩‍👩‍👧‍👦',
    'e\u0301e\u0301e\u0301e\u0301',
  ]) {
    for (let width = 0; width < 30; width += 1) {
      t.true(stringWidth(cut(text, width)) <= width)
      t.true(stringWidth(cutStart(text, width)) <= width)
    }
    t.is(cut(text, 100), text)
    t.is(cutStart(text, 100), text)
  }
  t.is(cut('abcdef', 4), 'abc…')
  t.is(cutStart('abcdef', 4), '…def')
})

test('parts of the highest rank go first', (t) => {
  const parts = [
    { text: 'aaa', rank: 0 },
    { text: 'bbb', rank: 2 },
    { text: 'ccc', rank: 1 },
  ]
  t.is(fitParts(parts, 15), 'aaa · bbb · ccc')
  t.is(fitParts(parts, 14), 'aaa · ccc')
  t.is(fitParts(parts, 8), 'aaa')
  t.is(fitParts(parts, 2), 'a…')
})
