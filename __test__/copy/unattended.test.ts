/** Drive changes without anybody at the keyboard: a hook, a watch on the mounts, unmounting, a call for attention. */

import * as fs from 'node:fs'
import * as path from 'node:path'
import { makeHost } from '../helpers/cli.js'
import { assertUnionEquals } from '../helpers/compare.js'
import { type Drive, MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { sh, tempDir } from '../helpers/temp.js'
import { closes, ended, events, lines, makeSource, onTerminal, shelf } from './kit.js'

const size = 8 * MiB

/** Drives, all of them out, and a source that needs `count` of them. */
function scene(count: number): { source: string; drives: Drive[]; bay: string } {
  const files = Array.from({ length: count * 5 - 2 }, (_, n) => [`f${n}`, MiB] as const)
  const drives = Array.from({ length: count }, () => makeDrive({ size }))
  return { source: makeSource(Object.fromEntries(files)), drives, bay: shelf(drives) }
}

/** A command that mounts the drive that is wanted at the output, and notes what it was told. */
function changer(drives: readonly Drive[]): { command: string; log: () => string[] } {
  const directory = tempDir('hook')
  const log = path.join(directory, 'log')
  const script = path.join(directory, 'change.sh')
  const devices = drives.map(({ device }, n) => `${n + 1}) device=${device};;`).join(' ')
  fs.writeFileSync(
    script,
    [
      'set -e',
      `echo "$MVCOPY_SET|$MVCOPY_SET_ID|$MVCOPY_VOLUME_DONE|$MVCOPY_VOLUME_NEEDED|$MVCOPY_LABEL|$MVCOPY_OUTPUT|$MVCOPY_BYTES_NEEDED" >> ${log}`,
      'echo "the robot is at work"',
      `case $MVCOPY_VOLUME_NEEDED in ${devices} esac`,
      'mount "$device" "$MVCOPY_OUTPUT"',
    ].join('\n'),
  )
  return { command: `sh ${script}`, log: () => lines(fs.readFileSync(log, 'utf8')) }
}

/** Puts the drives back where the tests look at them. */
function home(bay: string, drives: readonly Drive[]): void {
  while (fs.statSync(bay).dev !== fs.statSync(path.dirname(bay)).dev) sh('umount', bay)
  for (const drive of drives) if (!drive.mounted) drive.remount()
}

rootTest('a command changes five drives, with stdin closed', async (t) => {
  const { source, drives, bay } = scene(5)
  const [first] = drives as [Drive]
  const { command, log } = changer(drives)
  try {
    sh('mount', first.device, bay)
    const host = makeHost()
    const args = [source, '-o', bay, '--unmount', '--on-volume-full', command, '--json']
    const run = await host.run([...args, '--set', 'the set'])
    ended(t, run, 0)
    t.is(events(run, 'volume-closed').length, 5)
    // stdout is for events alone.
    t.regex(run.stderr, /the robot is at work/)
    const told = log()
    t.is(told.length, 4)
    for (const [n, line] of told.entries()) {
      const facts = line.split('|')
      t.regex(facts[1] ?? '', /^[0-9a-f]{32}$/)
      t.true(Number(facts[6]) > MiB, line)
      facts.splice(6, 1)
      facts.splice(1, 1)
      t.deepEqual(facts, ['the set', `${n + 1}`, `${n + 2}`, `the set-${n + 2}`, bay])
    }
    t.deepEqual(fs.readdirSync(bay), [], 'the last drive was unmounted, too')
    home(bay, drives)
    assertUnionEquals(t, source, drives)
  } finally {
    home(bay, drives)
  }
})

rootTest(
  'a command that fails, or brings nothing, ends the run with 4, and it goes on later',
  async (t) => {
    const { source, drives, bay } = scene(2)
    const [first] = drives as [Drive]
    try {
      sh('mount', first.device, bay)
      const host = makeHost()
      const args = [source, '-o', bay, '--unmount', '--on-volume-full']
      const failed = await host.run([...args, 'echo no drive left >&2; exit 3'])
      ended(t, failed, 4)
      t.regex(failed.stderr, /no drive left/)
      t.regex(failed.stderr, /The command of --on-volume-full ended with 3\./)
      // Which drive it was about, and what is done and what is left, is told as where nobody can be asked.
      t.regex(failed.stderr, /A new drive \(number 2\) was wanted for \d+ files/)
      t.regex(failed.stderr, /^written to drive 1 /m)
      t.regex(failed.stderr, /^\d+ files \(.*\) left; the same command again goes on from here$/m)
      sh('mount', first.device, bay)
      const objects = await host.run([...args, 'exit 3', '--json'])
      ended(t, objects, 4)
      t.like(events(objects, 'summary')[0], { exit: 4, complete: false, interrupted: false })
      sh('mount', first.device, bay)
      const idle = await host.run([...args, 'true'])
      ended(t, idle, 4)
      t.regex(idle.stderr, /drive \(number 2\) is needed/)
      sh('mount', first.device, bay)
      const { command } = changer(drives)
      ended(t, await host.run([...args, command]), 0)
      home(bay, drives)
      assertUnionEquals(t, source, drives)
    } finally {
      home(bay, drives)
    }
  },
)

rootTest('a wish to stop ends the command, too', async (t) => {
  const { source, drives, bay } = scene(2)
  const [first] = drives as [Drive]
  try {
    sh('mount', first.device, bay)
    const host = makeHost()
    const run = host.start([source, '-o', bay, '--on-volume-full', 'echo begun >&2; sleep 300'])
    await run.said(/begun/)
    run.child.kill('SIGTERM')
    ended(t, await run.done, 130)
  } finally {
    home(bay, drives)
  }
})

rootTest(
  '--wait-for-volume goes on by itself when the drive is mounted, and names those that will not do',
  async (t) => {
    const { source, drives, bay } = scene(3)
    const [first, second, third] = drives as [Drive, Drive, Drive]
    const other = makeDrive({ size })
    const host = makeHost()
    ended(t, await host.run([makeSource({ x: 'x' }), '-o', other.path, '--set', 'films']), 0)
    other.unmount()
    const insert = ({ device }: Drive): string => sh('mount', device, bay)
    try {
      insert(first)
      const run = host.start([source, '-o', bay, '--set', 'mine', '--wait-for-volume', '100'])
      await run.said(/number 2\) is wanted for .*Waiting for it at/s)
      sh('umount', bay)
      insert(other)
      await run.said(/of another set/)
      sh('umount', bay)
      insert(second)
      await run.said(/number 3\) is wanted/)
      sh('umount', bay)
      insert(third)
      const done = await run.done
      ended(t, done, 0)
      t.is(done.stderr.match(/of another set/g)?.length, 1, done.stderr)
      home(bay, drives)
      assertUnionEquals(t, source, drives)
      // A drive that the set knows is found wherever it is mounted; and the time ends the wait.
      for (const drive of drives) drive.unmount()
      fs.rmSync(path.join(source, 'f0'))
      fs.writeFileSync(path.join(source, 'f1'), 'changed')
      const late = await host.run([source, '-o', bay, '--set', 'mine', '--wait-for-volume', '1'])
      ended(t, late, 4)
      t.regex(late.stderr, /and it did not come in time\./)
      const again = host.start([source, '-o', bay, '--set', 'mine', '--wait-for-volume', '0'])
      await again.said(/Waiting for it/)
      first.remount()
      ended(t, await again.done, 0)
    } finally {
      home(bay, drives)
    }
  },
)

rootTest(
  'at a terminal it waits without a key, and --notify rings the bell and tells the desktop',
  async (t) => {
    const { source, drives, bay } = scene(2)
    const [first, second] = drives as [Drive, Drive]
    const programs = tempDir('bin')
    const shown = path.join(programs, 'shown')
    fs.writeFileSync(
      path.join(programs, 'notify-send'),
      `#!/bin/sh\nprintf '%s|' "$@" > ${shown}\n`,
    )
    fs.chmodSync(path.join(programs, 'notify-send'), 0o755)
    const host = makeHost()
    first.remount({ path: bay })
    const args = [source, '-o', bay, '--wait-for-volume', '100', '--notify', '--unmount']
    const env = { PATH: `${programs}:${host.env.PATH}` }
    const terminal = onTerminal(t, host, args, { env })
    try {
      await terminal.expect(/Waiting for it at/)
      sh('mount', second.device, bay)
      await closes(t, terminal, 0)
      t.true(terminal.raw().includes('\u0007'))
      t.regex(fs.readFileSync(shown, 'utf8'), /\|src-.*\|A new drive \(number 2\) is wanted for /)
      t.notRegex(terminal.transcript(), /> $/m)
    } finally {
      home(bay, drives)
    }
  },
)
