/** File systems that nobody knows: what they refuse is found out by trying, and everything comes back. */

import { spawn, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { ended, events, makeSource, names, put, wrongSums } from '../copy/kit.js'
import { makeHost } from '../helpers/cli.js'
import { differences } from '../helpers/compare.js'
import { rootTest } from '../helpers/root.js'
import { mountsBelow, sh, tempDir, undo } from '../helpers/temp.js'
import { newPlace } from '../restore/kit.js'

/** Mounts a file system that refuses this (`../helpers/choosy.py`); gives where it is, and what unmounts it. */
async function choosy(t: ExecutionContext, refused: readonly string[]): Promise<() => string> {
  const script = fileURLToPath(new URL('../helpers/choosy.py', import.meta.url))
  const [below, at] = [tempDir('below'), tempDir('choosy')]
  const mount = async (): Promise<void> => {
    const child = spawn('/usr/bin/python3', [script, at, below, ...refused], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    while (!mountsBelow(at).includes(at)) {
      if (child.exitCode !== null) throw new Error('the file system did not start')
      await new Promise((wake) => setTimeout(wake, 20))
    }
  }
  undo(() => spawnSync('umount', ['-l', at]))
  await mount()
  return () => at
}

/** One of everything that one or the other cannot hold. */
function odd(): string {
  const source = makeSource({
    '12:30 what?.txt': 'colon',
    Case: '1',
    cASE: '2',
    'dir: one/below/file': 'in a directory',
    'Dir: One/other': 'in one of another case',
    plain: 300_000,
    [`${'long '.repeat(40)}.txt`]: 'a long name',
    [`${'é'.repeat(80)}.txt`]: 'a long one in fewer characters',
    [`${'é'.repeat(80)}.text`]: 'and another',
    é: 'composed',
    'e\u0301': 'decomposed',
  })
  fs.writeFileSync(Buffer.from(`${source}/caf\xe9`, 'latin1'), 'no text')
  fs.symlinkSync('nowhere', `${source}/a link`)
  fs.mkdirSync(`${source}/empty: dir`)
  spawnSync('mkfifo', [`${source}/fifo`])
  return source
}

for (const [title, refused] of [
  ['hardly anything', ['colons', '143', 'text', 'folds', 'symlinks', 'links', 'nodes', 'megabyte']],
  ['no name above 143 bytes, as eCryptfs', ['143']],
] as const) {
  rootTest(`a file system that nobody knows and that takes ${title}`, async (t) => {
    const source = odd()
    const isChoosy = refused.length > 1
    if (!isChoosy) fs.linkSync(`${source}/plain`, `${source}/another name`)
    const drive = (await choosy(t, refused))()
    const host = makeHost()
    const first = await host.run([source, '-o', drive, '--json'])
    ended(t, first, 0)
    t.is(wrongSums(drive), '')
    const there = names(drive)
    t.is(there.length, names(source).length - (isChoosy ? 2 : 0), there.join('\n'))
    t.true(there.every((name) => Buffer.byteLength(name) <= 143))
    t.is(there.includes('12‛：30 what‛？.txt'), isChoosy, there.join('\n'))
    const again = await host.run([source, '-o', drive, '--json'])
    ended(t, again, 0)
    t.is(events(again, 'summary')[0]?.written.files, 0)
    ended(t, await host.run(['verify', '-o', drive]), 0)
    const to = newPlace()
    ended(t, await makeHost().run(['restore', '-o', drive, '--to', to]), 0)
    t.deepEqual(differences(source, to), [])

    // Renamed, changed, gone: by the names that they have there.
    fs.renameSync(`${source}/12:30 what?.txt`, `${source}/12:31 what?.txt`)
    fs.renameSync(`${source}/Case`, `${source}/CASE`)
    fs.rmSync(`${source}/dir: one`, { recursive: true })
    put(source, 'plain', 400_000, 1_700_000_100)
    if (isChoosy) put(source, 'large', 1_200_000)
    const later = await host.run([source, '-o', drive, '--json', '--delete'])
    ended(t, later, isChoosy ? 23 : 0)
    t.like(events(later, 'summary')[0], { renamed: 2 }, later.stdout)
    t.deepEqual(
      events(later, 'file-error').map(({ path, code }) => [path, code]),
      isChoosy ? [[`${drive}/large`, 'failed']] : [],
    )
    if (isChoosy) fs.rmSync(`${source}/large`)
    ended(t, await host.run(['verify', '-o', drive]), 0)
    const fresh = newPlace()
    ended(t, await makeHost().run(['restore', '-o', drive, '--to', fresh]), 0)
    t.deepEqual(differences(source, fresh), [])
    sh('umount', drive)
  })
}

rootTest(
  'two files that have room one after the other, and not at once, both come onto the drive',
  async (t) => {
    const source = makeSource({ one: 600_000, two: 600_001 })
    const drive = (await choosy(t, ['crowds']))()
    const run = await makeHost().run([source, '-o', drive, '--json'])
    ended(t, run, 0)
    t.deepEqual(names(drive), ['one', 'two'])
    t.is(wrongSums(drive), '')
    sh('umount', drive)
  },
)
