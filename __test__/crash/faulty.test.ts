/** Drives that do not keep what they are given, or fail under the writer: never called complete, found by a check. */

import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ended, events, makeSource } from '../copy/kit.js'
import { makeHost } from '../helpers/cli.js'
import { MiB } from '../helpers/drives.js'
import { fuseDrive } from '../helpers/fuse-disk.js'
import { rootTest } from '../helpers/root.js'
import { sh, tempDir } from '../helpers/temp.js'

const SIZE = 64 * MiB
const script = fileURLToPath(new URL('../helpers/faulty_disk.py', import.meta.url))

/** A mounted ext4 of 64 MiB on a disk that forgets what is written between these, and fails while `flag` exists. */
async function faultyDrive(from = 0, to = 0) {
  const top = tempDir('faulty')
  const flag = path.join(top, 'fails')
  const drive = await fuseDrive({
    top,
    script,
    args: [String(SIZE), String(from), String(to), flag],
    format: (loop) => {
      sh('mkfs.ext4', '-q', '-m0', '-b', '4096', loop)
    },
    beforeEnd: () => fs.rmSync(flag, { force: true }),
  })
  return { ...drive, flag }
}

/** 24 files of 2 MB: more than 40 MiB. */
const source = () =>
  makeSource(Object.fromEntries(Array.from({ length: 24 }, (_, n) => [`f${n}`, 2_000_000 + n])))

rootTest(
  'a drive of fake capacity is called faulty by --verify-writes, and a check finds it without',
  async (t) => {
    const drive = await faultyDrive(40 * MiB, SIZE)
    try {
      const host = makeHost()
      const from = source()
      const run = await host.run([from, '-o', drive.path, '--verify-writes', '--json'])
      ended(t, run, 11)
      t.regex(run.stderr, /not as written: copied once\s+more/)
      t.regex(run.stderr, /faulty/)
      t.false(events(run, 'volume-closed').some(({ complete }) => complete))
      const [summary] = events(run, 'summary')
      t.not(summary?.complete, true)
    } finally {
      await drive.end()
    }
    // Its lists are where it keeps what it gets.
    const other = await faultyDrive(20 * MiB, 28 * MiB)
    try {
      const host = makeHost()
      // Nobody can know at the time of writing.
      ended(t, await host.run([source(), '-o', other.path]), 0)
      other.remount()
      const check = await host.run(['verify', '-o', other.path])
      ended(t, check, 1)
      t.regex(check.stderr + check.stdout, /CORRUPT f\d+/)
    } finally {
      await other.end()
    }
  },
)

rootTest('--verify-writes reads a good drive back and says so', async (t) => {
  const drive = await faultyDrive()
  try {
    const host = makeHost()
    const from = source()
    const run = await host.run([from, '-o', drive.path, '--verify-writes'])
    ended(t, run, 0)
    t.regex(run.stderr, /24 files \(48 MB\) read back from drive 1 .*: all as they were\s+written/)
  } finally {
    await drive.end()
  }
})

rootTest(
  'a drive that fails under the writer is not complete, and goes on when it has healed',
  async (t) => {
    const drive = await faultyDrive()
    try {
      const host = makeHost()
      const from = source()
      const slow = ['strace', '-D', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=pwrite64']
      const running = host.start([from, '-o', drive.path, '--json'], {
        under: [...slow, '-e', 'inject=pwrite64:delay_enter=20000'],
      })
      while (!fs.existsSync(path.join(drive.path, '.mvcopy/tmp'))) await sleep(10)
      fs.writeFileSync(drive.flag, '')
      const run = await running.done
      ended(t, run, 11)
      t.false(events(run, 'volume-closed').some(({ complete }) => complete))
      fs.rmSync(drive.flag)
      drive.remount()
      ended(t, await host.run([from, '-o', drive.path]), 0)
      sh('env', '-C', drive.path, 'sha256sum', '-c', '--quiet', '.mvcopy/SHA256SUMS')
    } finally {
      await drive.end()
    }
  },
)
