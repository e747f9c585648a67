/** A check killed at each call that changes the drive: nothing but its own files changes, the next one is right. */

import * as fs from 'node:fs'
import * as path from 'node:path'
import { ended, events, makeSource, wrongSums } from '../copy/kit.js'
import { makeHost } from '../helpers/cli.js'
import { makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { fingerprint } from '../helpers/snapshot.js'
import { tempDir } from '../helpers/temp.js'
import { injecting, readCalls, sample, targetsOf, tracing } from './strace.js'

/** The calls that change what stands on a drive, or make it durable. */
const CALLS = ['openat', 'openat2', 'write', 'renameat2', 'unlinkat', 'mkdirat', 'fsync', 'fchmod']

/** What a check may change: its own files, and `.mvcopy` that holds them. */
const own = /^\.\/\.mvcopy( |\/(volume\.json|verify\.jsonl|tmp)\b)/

rootTest(
  'a check killed at any call leaves the drive as it was and can be made again',
  async (t) => {
    const host = makeHost()
    const source = makeSource({ 'a/one': 5000, 'a/two': 30_000, three: 'text' })
    const drive = makeDrive({ fs: 'tmpfs' })
    ended(t, await host.run([source, '-o', drive.path]), 0)
    const rotten = path.join(drive.path, 'a/one')
    const { atime, mtime } = fs.statSync(rotten)
    fs.writeFileSync(rotten, Buffer.alloc(5000, 'x'))
    fs.utimesSync(rotten, atime, mtime)
    const log = path.join(tempDir('verify-log'), 'log')
    const args = ['verify', '-o', drive.path, '--json']
    const rest = (): string[] => fingerprint(drive.path).filter((line) => !own.test(line))
    const before = rest()

    ended(t, await host.run(args, { under: tracing(log, CALLS) }), 1)
    const targets = targetsOf(readCalls(log, [drive.path]), CALLS).filter(({ call }) =>
      /renameat2|unlinkat|mkdirat|fsync|fchmod|write|O_CREAT/.test(call.line),
    )
    t.true(targets.length >= 10, `${targets.length} calls`)
    let killed = 0
    for (const target of sample(targets, 30)) {
      const run = await host.run(args, { under: injecting(target, 'signal=SIGKILL', log) })
      if (run.signal === 'SIGKILL') killed += 1
      t.deepEqual(rest(), before, target.call.line)
      // volume.json is the old one or the new one.
      t.notThrows(() =>
        JSON.parse(fs.readFileSync(path.join(drive.path, '.mvcopy/volume.json'), 'utf8')),
      )
      const again = await host.run(args)
      t.is(again.code, 1, `${target.call.line}\n${again.stderr}`)
      t.deepEqual(
        events(again, 'verify-result').map(({ result, path: name }) => `${result} ${name}`),
        ['corrupt a/one'],
        target.call.line,
      )
      t.deepEqual(rest(), before, target.call.line)
      t.false(fs.existsSync(path.join(drive.path, '.mvcopy/tmp')), target.call.line)
    }
    t.true(killed >= 10, `killed ${killed} times`)
    t.regex(wrongSums(drive), /a\/one/)
  },
)
