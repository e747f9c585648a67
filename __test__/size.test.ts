import test from 'ava'
import { UserError } from '../src/errors.js'
import {
  amountBytes,
  amountOption,
  counted,
  formatSize,
  parseAmount,
  parseSize,
  sizeOption,
} from '../src/size.js'

const sizes: readonly (readonly [string, number])[] = [
  ['0', 0],
  ['1', 1],
  ['  42 ', 42],
  ['1B', 1],
  ['5M', 5_000_000],
  ['5m', 5_000_000],
  ['5MB', 5_000_000],
  ['5 mb', 5_000_000],
  ['5MiB', 5 * 1024 ** 2],
  ['5mi', 5 * 1024 ** 2],
  ['5MIB', 5 * 1024 ** 2],
  ['1K', 1000],
  ['1Ki', 1024],
  ['1.5T', 1.5e12],
  ['.5K', 500],
  ['1.5KiB', 1536],
  ['1.001K', 1001],
  ['2.P', 2e15],
  ['9007199254740991', Number.MAX_SAFE_INTEGER],
]

for (const [text, bytes] of sizes) {
  test(`${JSON.stringify(text)} is ${bytes} bytes`, (t) => t.is(parseSize(text), bytes))
}

const nonsense = [
  '',
  ' ',
  '-1',
  '+1',
  '1e3',
  '0x10',
  'M',
  'K1',
  '1KK',
  '1iB',
  '1Kb i',
  '1,5M',
  '1.5',
  '1.5B',
  '1..5K',
  '.',
  '.K',
  'NaN',
  'Infinity',
  '9007199254740992',
  '10E',
  '8Pi1',
  '5%',
  '٣',
]

for (const text of nonsense) {
  test(`${JSON.stringify(text)} is no size`, (t) => {
    t.is(parseSize(text), undefined)
    const error = t.throws(() => sizeOption('--volume-size', text), { instanceOf: UserError })
    t.is(error.exit, 2)
    t.true(error.message.startsWith('--volume-size: '))
    t.regex(error.hint ?? '', /powers of 1000.*powers of 1024/)
  })
}

test('an amount is a size or a percentage below 100', (t) => {
  t.deepEqual(parseAmount('5%'), { unit: 'percent', percent: 5 })
  t.deepEqual(parseAmount('2.5 %'), { unit: 'percent', percent: 2.5 })
  t.deepEqual(parseAmount('0'), { unit: 'bytes', bytes: 0 })
  for (const text of ['100%', '-1%', '%', '5%%', 'x']) {
    t.is(parseAmount(text), undefined, text)
    t.throws(() => amountOption('--reserve', text), { instanceOf: UserError })
  }
})

test('a percentage of a drive is rounded up', (t) => {
  t.is(amountBytes({ unit: 'percent', percent: 1 }, 1001), 11)
  t.is(amountBytes({ unit: 'bytes', bytes: 7 }, 1001), 7)
})

test('sizes and counts for people', (t) => {
  t.is(formatSize(0), '0 B')
  t.is(formatSize(1_500_000_000), '1.5 GB')
  t.is(counted(1, 'file'), '1 file')
  t.is(counted(1234, 'file'), '1,234 files')
  t.is(counted(2, 'entry', 'entries'), '2 entries')
})
