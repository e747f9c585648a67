import test from 'ava'
import stringWidth from 'fast-string-width'
import { cut, cutStart, fitParts, wrap, folded } from '../src/text.js'

test('wrap breaks at spaces and keeps long words whole', (t) => {
  t.deepEqual(wrap('one two three', 7), ['one two', 'three'])
  t.deepEqual(wrap('averylongword x', 5), ['averylongword', 'x'])
  t.deepEqual(wrap('', 5), [])
})

test('folded: a sentence is broken at spaces where the terminal ends, a list is left as it is', (t) => {
  const sentence =
    'Please insert a new drive (number 2) for 41 files (110 MB) and mount it at /mnt/usb.'
  t.is(
    folded(sentence, 80),
    'Please insert a new drive (number 2) for 41 files (110 MB) and mount it at\n/mnt/usb.',
  )
  t.is(folded(sentence, 200), sentence)
  t.is(folded('', 80), '')
  const question =
    'c = go on, q = stop, s = go on without it, l = list the drives, ? = help, or type a path> '
  t.is(folded(question, 80), question.replace('or type', 'or\ntype'))
  const listed = `  ${'a name with spaces '.repeat(9)}`
  t.is(folded(listed, 80), listed)
  // A path is never torn, and nothing is narrower than a word can bear.
  t.is(folded(`see ${'/x'.repeat(50)} there`, 10), `see\n${'/x'.repeat(50)}\nthere`)
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
