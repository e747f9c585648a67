/** `repair` where one drive can be in at a time: what the other one has is kept on the host meanwhile. */

import * as fs from 'node:fs'
import type { ExecutionContext } from 'ava'
import { closes, drivePrompt, ended, makeSource, onTerminal, wrongSums } from '../copy/kit.js'
import { type Host, makeHost } from '../helpers/cli.js'
import { differences } from '../helpers/compare.js'
import { type Drive, MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { tempDir } from '../helpers/temp.js'
import { find, rot } from './kit.js'

interface Place {
  readonly host: Host
  readonly drives: readonly [Drive, Drive]
  readonly slot: string
}

/** Two copies of a set whose source has lost two files, of which drive 1 is bad; only drive 1 is in, at `slot`. */
async function place(t: ExecutionContext): Promise<Place> {
  const host = makeHost()
  const source = makeSource({ a: 2 * MiB, 'd/b': 100, c: 3000 })
  fs.linkSync(`${source}/a`, `${source}/d/too`)
  const drives = [makeDrive({ size: 12 * MiB }), makeDrive({ size: 12 * MiB })] as const
  const outputs = drives.flatMap((one) => ['-o', one.path])
  ended(t, await host.run([source, ...outputs, '--copies', '2']), 0)
  rot(`${drives[0].path}/a`, MiB)
  fs.rmSync(`${drives[0].path}/d/b`)
  await find(t, host, drives[0].path, { a: 'corrupt', 'd/too': 'corrupt', 'd/b': 'missing' })
  for (const name of ['a', 'd/too', 'd/b']) fs.rmSync(`${source}/${name}`)
  const slot = drives[0].path
  drives[1].unmount()
  return { host, drives, slot }
}

rootTest('drive 2 takes the place of drive 1, and drive 1 comes back', async (t) => {
  const { host, drives, slot } = await place(t)
  const elsewhere = tempDir('spool')
  const terminal = onTerminal(t, host, ['repair', '-o', slot, '--spool', elsewhere])
  await drivePrompt(terminal)
  t.regex(terminal.transcript(), /Please insert drive 2/)
  t.regex(terminal.transcript(), /in the place of drive 1/)
  drives[0].unmount()
  drives[1].remount({ path: slot })
  terminal.send('c\r')
  await drivePrompt(terminal)
  t.regex(terminal.transcript(), /Please insert drive 1 .*again/)
  // Read by its owner alone, and laid out as on the drive.
  const [kept] = fs.readdirSync(elsewhere)
  t.is(fs.statSync(`${elsewhere}/${kept}`).mode & 0o777, 0o700)
  t.deepEqual(fs.readdirSync(`${elsewhere}/${kept}`).sort(), ['a', 'd'])
  // Going on with the wrong drive is no answer.
  terminal.send('c\r')
  await drivePrompt(terminal)
  drives[1].unmount()
  drives[0].remount({ path: slot })
  terminal.send('c\r')
  await closes(t, terminal, 0)
  t.deepEqual(fs.readdirSync(elsewhere), [])
  t.is(wrongSums(drives[0]), '')
  await find(t, host, slot, {})
  const other = tempDir('other')
  drives[1].remount({ path: other })
  t.deepEqual(differences(other, slot), [])
})

rootTest(
  'what drive 2 does not have either is not taken, and nothing stays on the host',
  async (t) => {
    const { host, drives, slot } = await place(t)
    drives[0].unmount()
    drives[1].remount({ path: slot })
    rot(`${slot}/a`, 5)
    drives[1].unmount()
    drives[0].remount({ path: slot })
    const spool = tempDir('spool')
    const terminal = onTerminal(t, host, ['repair', '-o', slot, '--spool', spool])
    await drivePrompt(terminal)
    drives[0].unmount()
    drives[1].remount({ path: slot })
    terminal.send('c\r')
    await drivePrompt(terminal)
    drives[1].unmount()
    drives[0].remount({ path: slot })
    terminal.send('c\r')
    await closes(t, terminal, 23)
    t.regex(terminal.transcript(), /cannot be had again/)
    t.deepEqual(fs.readdirSync(spool), [])
    t.true(fs.existsSync(`${slot}/d/b`))
  },
)

rootTest(
  'stopped while drive 1 is wanted back: nothing is kept, and it is found again',
  async (t) => {
    const { host, drives, slot } = await place(t)
    const spool = tempDir('spool')
    const terminal = onTerminal(t, host, ['repair', '-o', slot, '--spool', spool])
    await drivePrompt(terminal)
    drives[0].unmount()
    drives[1].remount({ path: slot })
    terminal.send('c\r')
    await drivePrompt(terminal)
    terminal.send('q\r')
    await closes(t, terminal, 4)
    t.deepEqual(fs.readdirSync(spool), [])
    drives[1].unmount()
    drives[0].remount({ path: slot })
    const inside = await host.run(['repair', '-o', slot, '--spool', `${slot}/d`])
    ended(t, inside, 4)
  },
)
