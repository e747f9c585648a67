/**
 * Hostile drives through the command line: restore, verify and repair open nothing but the drive, the destination,
 * the state of the host and what any program needs, and change nothing else. What they opened is the kernel's word.
 *
 * Drives are made by chance from a seed, which is told: `MVCOPY_SEED=N` makes them again.
 */

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { ended, makeSource } from '../copy/kit.js'
import { type Host, makeHost, type RunResult } from '../helpers/cli.js'
import { Random } from '../helpers/random.js'
import { fingerprint } from '../helpers/snapshot.js'
import { tempDir } from '../helpers/temp.js'

const repository = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** The program and what runs it. */
const PROGRAM = [
  repository,
  fs.realpathSync(path.join(repository, 'node_modules')),
  path.dirname(path.dirname(fs.realpathSync(process.execPath))),
]

/** What any program may read. */
const SYSTEM = ['/proc', '/sys', '/dev', '/etc', '/lib', '/lib64', '/usr', '/bin', '/run', '/opt']

/** A call that opened something, or changed something by name. */
interface Call {
  readonly name: string
  readonly path: string
  readonly writes: boolean
  readonly line: string
}

const CHANGES =
  /^(?:rename\w*|unlink\w*|rmdir|mkdir\w*|link(?:at)?|symlink\w*|mknod\w*|truncate|chmod|fchmodat\w*|l?chown|fchownat|utime\w*|l?setxattr|l?removexattr)$/

/** All that a run of the program opened or changed, with real paths. */
function callsIn(log: string, cwd: string): Call[] {
  const calls: Call[] = []
  const begun = new Map<string, string>()
  for (const whole of fs.readFileSync(log, 'latin1').split('\n')) {
    const [, pid = '', text = ''] = /^(\d+) +(.*)$/.exec(whole) ?? []
    // Another thread came between the call and its answer.
    const [, half] = /^(.*) <unfinished \.\.\.>$/.exec(text) ?? []
    if (half !== undefined) {
      begun.set(pid, half)
      continue
    }
    const [, rest] = /^<\.\.\. \w+ resumed>(.*)$/.exec(text) ?? []
    const line = rest === undefined ? text : `${begun.get(pid) ?? ''}${rest}`
    const [, name = ''] = /^(\w+)\(/.exec(line) ?? []
    if (/^(?:open|openat|openat2|creat)$/.test(name)) {
      // What the descriptor is, whatever the name led through.
      const [, real] = / = \d+<(.*)>(?: ?\(deleted\))?$/.exec(line) ?? []
      if (real === undefined || !real.startsWith('/')) continue
      const writes = /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC/.test(line) || name === 'creat'
      calls.push({ name, path: real.replace(/ \(deleted\)$/, ''), writes, line })
    } else if (CHANGES.test(name) && !/ = -1 /.test(line)) {
      for (const [, dir, given] of line.matchAll(
        /(?:AT_FDCWD|\d+)<([^>]*)>, "((?:[^"\\]|\\.)*)"/g,
      )) {
        calls.push({ name, path: path.resolve(dir ?? cwd, given ?? ''), writes: true, line })
      }
      const [, only] = /^\w+\("((?:[^"\\]|\\.)*)"/.exec(line) ?? []
      if (only !== undefined) {
        calls.push({ name, path: path.resolve(cwd, only), writes: true, line })
      }
    }
  }
  return calls
}

function isIn(file: string, roots: readonly string[]): boolean {
  return roots.some((root) => file === root || file.startsWith(`${root}/`))
}

/** Runs the program under strace and fails where it went anywhere else. */
async function audited(
  t: ExecutionContext,
  host: Host,
  args: readonly string[],
  may: { read: readonly string[]; write: readonly string[] },
  why: string,
): Promise<RunResult> {
  const log = path.join(host.home, 'strace.log')
  const run = await host.run(args, {
    under: [
      ...['strace', '-f', '-qq', '-y', '-s', '5000', '--seccomp-bpf', '-o', log],
      ...['-e', 'trace=%file,openat2', '-e', 'signal=none'],
    ],
  })
  const own = path.dirname(host.home)
  // SQLite's files without a name are made in the directory for temporary ones.
  const ours = [host.state, own]
  const calls = callsIn(log, host.cwd)
  t.true(calls.length > 50, `${why}: nothing was traced`)
  for (const call of calls) {
    const roots = call.writes
      ? [...ours, ...may.write, '/dev', '/proc/self']
      : [...ours, ...may.read, ...may.write, ...SYSTEM, ...PROGRAM]
    const top = call.path === '/' ? '/' : `${call.path}/`
    const above = !call.writes && roots.some((root) => `${root}/`.startsWith(top))
    // A directory above one of these is opened on the way to it; nothing in it is.
    const fine = above || isIn(call.path, roots)
    // What hostile names lead to, too.
    if (!fine || call.path === '/etc/shadow')
      t.fail(`${why}: ${call.writes ? 'changed' : 'opened'} ${call.path}: ${call.line}`)
  }
  t.true([0, 1, 2, 4, 11, 23].includes(run.code ?? -1), `${why}: ${run.code} ${run.stderr}`)
  return run
}

/** Puts something else in the place of entries of a drive. */
function twistTree(random: Random, drive: string, canary: string): void {
  const names = ['a', 'big', 'sub/b', 'sub/deep/c', 'first', 'sub/deep', 'sub', 'link', 'e']
  for (const name of names) {
    if (random.below(3) === 0) continue
    const file = path.join(drive, name)
    // Through a link that was put there before, the test itself would change the canary.
    if (
      fs.existsSync(path.dirname(file)) &&
      fs.realpathSync(path.dirname(file)) !== path.dirname(file)
    )
      continue
    if (!fs.existsSync(path.dirname(file))) continue
    fs.rmSync(file, { recursive: true, force: true })
    switch (random.below(7)) {
      case 0:
        fs.symlinkSync(path.join(canary, 'file'), file)
        break
      case 1:
        fs.symlinkSync(canary, file)
        break
      case 2:
        fs.symlinkSync('../canary/file', file)
        break
      case 3:
        spawnSync('mkfifo', [file])
        break
      case 4:
        fs.mkdirSync(file)
        break
      case 5:
        fs.writeFileSync(file, '')
        fs.truncateSync(file, 2 ** 40)
        break
      default:
        fs.linkSync(path.join(canary, 'hard'), file)
    }
  }
}

/** Changes the lines of a sealed list and seals it again. */
function reseal(file: string, change: (line: string) => string[]): void {
  const lines = fs.readFileSync(file, 'utf8').split('\n').filter(Boolean).slice(0, -1)
  const [head = '', ...rest] = lines
  const now = rest.flatMap(change)
  const text = [head, ...now].map((line) => `${line}\n`).join('')
  const sha256 = createHash('sha256').update(text).digest('hex')
  const entries = now.filter((line) => line.startsWith('{"path"')).length
  const count = head.includes('"verify"') ? `"lines":${now.length}` : `"entries":${entries}`
  fs.writeFileSync(file, `${text}{${count},"sha256":"${sha256}"}\n`)
}

const EVIL = ['../canary/file', 'sub/../../canary/file', '/etc/shadow', '.mvcopy/../../canary/file']

test('hostile drives lead restore, verify and repair nowhere', async (t) => {
  const seed = Number(process.env.MVCOPY_SEED ?? Date.now() % 1_000_000_000)
  t.log(`MVCOPY_SEED=${seed}`)
  const random = new Random(seed)
  const source = makeSource({ a: 'a', big: 300_000, 'sub/b': 'b', 'sub/deep/c': 'c', first: 'two' })
  fs.linkSync(path.join(source, 'first'), path.join(source, 'second'))
  fs.symlinkSync('a', path.join(source, 'link'))
  fs.mkdirSync(path.join(source, 'e'))
  const host = makeHost()
  const place = tempDir('hostile')
  const good = path.join(place, 'good')
  fs.mkdirSync(good)
  ended(t, await host.run([source, '-o', good]), 0)
  for (const kind of ['tree', 'manifest', 'findings'] as const) {
    const why = `${kind}, MVCOPY_SEED=${seed}`
    // The steps `../canary` lead to it from drive and destination.
    const top = path.join(place, kind)
    const canary = path.join(top, 'canary')
    fs.mkdirSync(canary, { recursive: true })
    for (const name of ['file', 'hard']) fs.writeFileSync(path.join(canary, name), 'the secret')
    const [drive, to] = [path.join(top, 'drive'), path.join(top, 'to')]
    spawnSync('cp', ['-a', good, drive])
    fs.mkdirSync(to)
    if (kind !== 'manifest') twistTree(random, drive, canary)
    if (kind === 'manifest') {
      const evil = EVIL[random.below(EVIL.length)] ?? ''
      const at = random.below(5)
      let n = 0
      reseal(path.join(drive, '.mvcopy/manifest.jsonl'), (line) => {
        n += 1
        return [n - 1 === at ? line.replace(/"path":"[^"]*"/, `"path":"${evil}"`) : line]
      })
    }
    const before = fingerprint(canary)
    const mine = makeHost()
    await audited(
      t,
      mine,
      ['restore', '-o', drive, '--to', to, '--keep-bad'],
      { read: [drive], write: [to] },
      `restore ${why}`,
    )
    await audited(t, host, ['verify', '-o', drive], { read: [], write: [drive] }, `verify ${why}`)
    if (kind === 'findings') {
      const evil = EVIL.map(
        (one) => `{"path":"${one}","word":"corrupt","at":"2026-01-01T00:00:00Z"}`,
      )
      reseal(path.join(drive, '.mvcopy/verify.jsonl'), (line) => [line, ...evil.splice(0, 1)])
    }
    const repair = ['repair', '-o', drive, '--set-aside']
    await audited(t, host, repair, { read: [source], write: [drive] }, `repair ${why}`)
    t.deepEqual(fingerprint(canary), before, why)
    for (const file of fs.readdirSync(to, { recursive: true, encoding: 'utf8' })) {
      const whole = path.join(to, file)
      if (!fs.lstatSync(whole).isFile()) continue
      t.false(
        fs.readFileSync(whole).includes('the secret') && !file.includes('mvcopy-corrupt'),
        `${file}: ${why}`,
      )
    }
  }
})
