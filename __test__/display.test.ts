import test from 'ava'
import { displayName, jsonLine, safeLine } from '../src/display.js'

/** All UTF-16 code units that a terminal must never get. */
function hazards(): string[] {
  const found: string[] = []
  for (let code = 0; code <= 0xffff; code += 1) {
    const control = code < 0x20 || (code >= 0x7f && code < 0xa0)
    const bidi =
      code === 0x061c ||
      (code >= 0x200e && code <= 0x200f) ||
      (code >= 0x2028 && code <= 0x202e) ||
      (code >= 0x2066 && code <= 0x2069)
    const surrogate = code >= 0xd800 && code <= 0xdfff
    if (control || bidi || surrogate) found.push(String.fromCharCode(code))
  }
  return found
}

test('ordinary names are unchanged', (t) => {
  for (const name of ['plain.txt', 'with space', 'ünïcode-日本語', '💾', 'quote\'"', '\u00a0']) {
    t.is(displayName(name), name)
    t.is(safeLine(name), name)
  }
})

test('names are escaped as in C and Rust', (t) => {
  t.is(displayName('a\nb\tc\rd\x1b[2J'), 'a\\nb\\tc\\rd\\x1b[2J')
  t.is(displayName('back\\slash'), 'back\\\\slash')
  t.is(displayName('caf\udce9.txt'), 'caf\\xe9.txt')
  t.is(displayName('\u202etxt.exe'), '\\u{202e}txt.exe')
  t.is(displayName('\u009b31m'), '\\u{9b}31m')
})

test('no hazard comes through, alone or between others, and no two look the same', (t) => {
  const seen = new Map<string, string>()
  for (const char of hazards()) {
    const name = `a${char}b`
    for (const text of [displayName(name), safeLine(name), jsonLine(name)]) {
      t.notRegex(text, /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u)
    }
    const shown = displayName(name)
    t.is(seen.get(shown), undefined, shown)
    seen.set(shown, name)
  }
})

test('the texts of escapes can not be forged by names that spell them', (t) => {
  t.not(displayName('\n'), displayName('\\n'))
  t.not(displayName('\udce9'), displayName('\\xe9'))
})

test('JSON lines parse back to what they were, undecodable bytes as Python writes them', (t) => {
  const value = { path: 'a\u007f\u009b\u202e\u2028\udce9💾"\\\n', n: 1 }
  t.deepEqual(JSON.parse(jsonLine(value)), value)
  t.true(jsonLine(value).includes('\\udce9'))
  t.true(jsonLine(value).includes('💾'))
})
