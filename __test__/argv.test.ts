import test from 'ava'
import { decodeName, exactArguments } from '../src/argv.js'
import { UserError } from '../src/errors.js'
import { random } from './plan/tree.js'

const commandLine = (...args: (string | Buffer)[]): Buffer =>
  Buffer.concat(args.map((arg) => Buffer.concat([Buffer.from(arg as string), Buffer.from([0])])))

/** The inverse, written another way: lone surrogates to bytes, all else to UTF-8. */
function encode(name: string): Buffer {
  const parts = [...name].map((char) => {
    const code = char.charCodeAt(0)
    return char.length === 1 && code >= 0xdc80 && code <= 0xdcff
      ? Buffer.from([code & 0xff])
      : Buffer.from(char)
  })
  return Buffer.concat(parts)
}

test('valid UTF-8 is left alone and the command line is not even read', (t) => {
  const args = ['plain', 'ü', '💾', '']
  t.deepEqual(
    exactArguments(args, () => t.fail() as never),
    args,
  )
})

test('an argument that is not UTF-8 comes back byte for byte', (t) => {
  const latin = Buffer.from('caf\xe9.txt', 'latin1')
  const read = () => commandLine('node', '--import=tsx', 'main.js', latin, '-o', 'x')
  t.deepEqual(exactArguments([latin.toString('utf8'), '-o', 'x'], read), [
    'caf\udce9.txt',
    '-o',
    'x',
  ])
})

test('a name that really holds U+FFFD stays as it is', (t) => {
  const read = () => commandLine('node', 'main.js', 'a\ufffdb')
  t.deepEqual(exactArguments(['a\ufffdb'], read), ['a\ufffdb'])
})

test('where the bytes can not be had the name is refused', (t) => {
  for (const read of [
    () => {
      throw new Error('no /proc')
    },
    () => commandLine('short'),
    () => commandLine('node', 'main.js', 'another name'),
  ]) {
    const error = t.throws(() => exactArguments(['a\ufffd', 'b'], read), { instanceOf: UserError })
    t.is(error.exit, 2)
    t.regex(error.hint ?? '', /--files-from/)
  }
})

test('names of random bytes survive, and agree with a strict decoder on what is UTF-8', (t) => {
  const seed = 7
  const next = random(seed)
  const strict = new TextDecoder('utf8', { fatal: true, ignoreBOM: true })
  const alphabet = [
    0x61, 0x80, 0xbf, 0xc0, 0xc3, 0xa9, 0xe0, 0xa0, 0xed, 0x9f, 0xf0, 0x90, 0xf4, 0x8f, 0xff,
  ]
  for (let round = 0; round < 20_000; round += 1) {
    const bytes = Buffer.from(
      Array.from({ length: Math.floor(next() * 8) }, () =>
        next() < 0.7
          ? (alphabet[Math.floor(next() * alphabet.length)] as number)
          : Math.floor(next() * 256),
      ),
    )
    const name = decodeName(bytes)
    t.true(
      encode(name).equals(bytes),
      `seed ${seed}: ${bytes.toString('hex')} → ${JSON.stringify(name)}`,
    )
    let valid = true
    try {
      strict.decode(bytes)
    } catch {
      valid = false
    }
    t.is(/[\udc80-\udcff]/u.test(name), !valid, bytes.toString('hex'))
  }
})
