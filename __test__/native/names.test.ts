/** Names cross the boundary byte for byte, in both directions. */
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import test from 'ava'
import { fromNative } from '../../src/native/errors.js'
import { binding } from '../../src/native/load.js'
import { displayName } from '../../src/native/names.js'
import { inspect } from '../../src/native/volume.js'

test('a name that is not UTF-8 is found on disk and comes back the same', async (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mvc-names-'))
  t.teardown(() => fs.rmSync(dir, { recursive: true }))
  const bytes = Buffer.concat([
    Buffer.from(`${dir}/a`),
    Buffer.from([0xff, 0x80, 0x0a]),
    Buffer.from('é😀'),
  ])
  fs.mkdirSync(bytes)
  const name = `${dir}/a\udcff\udc80\né😀`
  const facts = await inspect(name)
  t.is(facts.found, 'dir')
  t.is(facts.path, name)
  const top = (await inspect(dir)).top
  t.deepEqual(top?.names, ['a\udcff\udc80\né😀'])
})

test('a lone surrogate that stands for no byte is refused', (t) => {
  for (const name of ['\ud800', '\udfff', '\udc7f', 'a\udbffb']) {
    const thrown = t.throws(() => binding.displayName(name))
    t.is(fromNative(thrown).code, 'BAD_INPUT')
  }
})

test('a displayed name is one line without control characters', (t) => {
  const shown = displayName('a\u001b[2J\n\r\u0000\u202e\udcff')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is the point
  t.notRegex(shown, /[\u0000-\u001f\u007f-\u009f\u202e\ud800-\udfff]/)
  t.is(displayName('plain é 😀'), 'plain é 😀')
})
