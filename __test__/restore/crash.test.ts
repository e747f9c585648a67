/**
 * A restore that is killed at any call, and one whose calls fail: no torn file under a name, the user is told
 * what and where, and the same command completes it.
 */

import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import {
  injecting,
  pointsOf,
  readCalls,
  sample,
  type Target,
  targetsOf,
  tracing,
} from '../crash/strace.js'
import type { RunResult } from '../helpers/cli.js'
import { MiB } from '../helpers/drives.js'
import { rootTest as test } from '../helpers/root.js'
import { tempDir } from '../helpers/temp.js'
import { walk } from '../helpers/walk.js'
import { everything, listing, makeShelf, rsyncDiff, type Shelf } from './kit.js'

const session = fileURLToPath(new URL('session.mjs', import.meta.url))

/** A set on one drive, and a destination that is emptied before each run. */
class Scene {
  readonly to: string
  readonly #log: string
  readonly #good: Map<string, string>

  constructor(
    readonly shelf: Shelf,
    readonly source: string,
  ) {
    const top = tempDir('crash')
    this.to = path.join(top, 'to')
    this.#log = path.join(top, 'log')
    this.#good = new Map(contents(source))
  }

  static async make(t: ExecutionContext): Promise<Scene> {
    const source = everything()
    return new Scene(await makeShelf(t, source, [{ fs: 'tmpfs', size: 16 * MiB }]), source)
  }

  reset(): void {
    fs.rmSync(this.to, { recursive: true, force: true })
    fs.mkdirSync(this.to)
  }

  get drive(): string {
    return this.shelf.drives[0]?.path ?? ''
  }

  run(under: readonly string[] = [], same = false): Promise<RunResult> {
    const env = same ? { NODE_OPTIONS: `--import=${session}` } : {}
    const args = ['restore', '-o', this.drive, '--to', this.to, '--hide-progress']
    return this.shelf.host.run(args, { under, env })
  }

  async calls(roots: readonly string[], names?: readonly string[]) {
    this.reset()
    const result = await this.run(tracing(this.#log, names), true)
    if (result.code !== 0) throw new Error(result.stderr)
    return readCalls(this.#log, roots)
  }

  inject(target: Target, what: string, forEver = false): Promise<RunResult> {
    this.reset()
    return this.run(injecting(target, what, this.#log, forEver), true)
  }

  /** Files under their names that are not what the source has. */
  torn(): string[] {
    return contents(this.to).flatMap(([name, content]) =>
      this.#good.get(name) === content ? [] : [`torn: ${name}`],
    )
  }

  /** What is not as it should be in the end. */
  faults(): string[] {
    const left = listing(this.to).filter((name) => name.startsWith('.mvcopy'))
    return [...rsyncDiff(this.source, this.to), ...left.map((name) => `left: ${name}`)]
  }

  /** The same command again: it completes the restore. */
  async again(): Promise<string[]> {
    const again = await this.run()
    const faults = this.faults()
    if (again.code !== 0) faults.push(`again: exit ${again.code}\n${again.stderr}`)
    return faults
  }
}

/** The content of each file, symlink target of each link, by path. */
function contents(root: string): [string, string][] {
  return Array.from(walk(root, { ignore: ['.mvcopy', 'START-HERE.html'] }), (entry) => [
    entry.path.toString('latin1'),
    entry.kind === 'directory' ? '' : `${entry.kind} ${entry.digest ?? entry.target ?? ''}`,
  ])
}

test('a restore killed at every call is finished by the same command', async (t) => {
  const scene = await Scene.make(t)
  const { points } = pointsOf(await scene.calls([scene.to]))
  const chosen = sample(points, 60)
  t.true(chosen.length >= 60, `${chosen.length} points`)
  const broken: string[] = []
  for (const target of chosen) {
    const killed = await scene.inject(target, 'signal=SIGKILL')
    const faults = scene.torn()
    if (killed.code === 0) faults.push('it was not killed')
    faults.push(...(await scene.again()))
    if (faults.length > 0) broken.push(`killed at ${target.call.line}`, ...faults)
  }
  t.log(`${chosen.length} of ${points.length} points`)
  t.deepEqual(broken, [])
})

/** Calls that may fail, with the fault, each at some of its places. */
async function failing(
  t: ExecutionContext,
  names: readonly string[],
  errors: readonly string[],
  most: number,
  root: (scene: Scene) => string,
): Promise<void> {
  const scene = await Scene.make(t)
  const targets = targetsOf(await scene.calls([root(scene)], names), names)
  const broken: string[] = []
  let cases = 0
  for (const name of names) {
    const own = targets.filter(({ call }) => call.name === name)
    t.true(own.length > 0, `no ${name} can be aimed at`)
    for (const [n, target] of sample(own, most).entries()) {
      const error = errors[n % errors.length] ?? ''
      const forEver = n % 3 === 2
      cases += 1
      const run = await scene.inject(target, `error=${error}`, forEver)
      const faults = scene.torn()
      if (run.code === 0) faults.push(...scene.faults().map((fault) => `exit 0, but ${fault}`))
      else if (![1, 4, 11, 23].includes(run.code ?? -1)) faults.push(`exit ${run.code}`)
      const said = run.stderr
      if (run.code !== 0 && ![scene.to, scene.drive].some((place) => said.includes(place))) {
        faults.push('neither file nor drive is named')
      }
      if (/panick|internal error/.test(said)) faults.push('an internal error')
      // Where one call failed once, one file is missing at most, and what lies in a directory.
      faults.push(...(await scene.again()).map((fault) => `healed: ${fault}`))
      if (faults.length > 0) {
        broken.push(`${error}${forEver ? ' for ever' : ''} at ${target.call.line}`, ...faults, said)
      }
    }
  }
  t.log(`${cases} cases`)
  t.deepEqual(broken, [])
}

test('ENOSPC and EIO while the destination is written: named, the rest comes, nothing is torn', async (t) => {
  const calls = ['pwrite64', 'renameat2', 'syncfs', 'mkdirat', 'linkat', 'symlinkat', 'ftruncate']
  await failing(t, calls, ['ENOSPC', 'EIO'], 6, (scene) => scene.to)
})

test('EIO while the drive is read: the file is named, and never under its name', async (t) => {
  await failing(t, ['pread64', 'openat'], ['EIO'], 8, (scene) => scene.drive)
})
