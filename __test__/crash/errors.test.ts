/**
 * Calls that fail, once and for ever: nothing that is missing is called complete, nothing is torn, the
 * user is told what and where, and when the fault has gone the same command completes the backup.
 */

import type { ExecutionContext } from 'ava'
import type { RunResult } from '../helpers/cli.js'
import { rootTest } from '../helpers/root.js'
import { Scene, type SceneOptions } from './scene.js'
import { sample, type Target, targetsOf } from './strace.js'

const LANES = 2

/** The calls that the engine makes on a drive. */
const ON_DRIVE = [
  'openat',
  'openat2',
  'pwrite64',
  'write',
  'syncfs',
  'fsync',
  'renameat2',
  'mkdirat',
  'fallocate',
  'close',
  'unlinkat',
  'linkat',
  'symlinkat',
  'ftruncate',
]

interface Case {
  readonly n: number
  readonly error: string
  readonly forEver: boolean
}

/** How a run may end that met a fault: never with an internal error, a signal, or node's own codes. */
const HONEST = [4, 11, 23, 24]

async function inject(
  t: ExecutionContext,
  options: SceneOptions & {
    readonly calls: readonly string[]
    readonly errors: readonly string[]
    /** Cases of each kind of call; all with MVCOPY_ALL=1. */
    readonly most: number
    /** Whether the calls on the source fail, instead of those on the drive. */
    readonly onSource?: boolean
  },
): Promise<void> {
  const lanes = await Promise.all(
    Array.from({ length: LANES }, async () => {
      const scene = await Scene.make(options)
      const roots = options.onSource ? [scene.source] : undefined
      const targets = targetsOf(await scene.calls(options.calls, roots), options.calls)
      // The probes ask what the file system can do: a failure there is an answer.
      return { scene, points: targets.filter(({ call }) => !call.line.includes('"probe')) }
    }),
  )
  // The lists may differ by a call or two (what was made within one second in one scene, and not in the other): a
  // case is then at the next call.
  const targets = lanes[0]?.points ?? []
  const cases = options.calls.flatMap((name) => {
    const all = Array.from(targets.keys()).filter((n) => targets[n]?.call.name === name)
    t.true(all.length > 0, `no ${name} can be aimed at`)
    const errors = options.errors.flatMap((error) => [
      { error, forEver: false },
      { error, forEver: true },
    ])
    // Error by error along the calls, so that a sample has all of them, each at another call.
    return sample(
      all.flatMap((n) => errors.map((fault): Case => ({ n, ...fault }))),
      options.most,
    ).map((one, at) => ({ ...one, ...(process.env.MVCOPY_ALL ? {} : errors[at % errors.length]) }))
  })
  const left = [...cases]
  const broken: string[] = []
  await Promise.all(
    lanes.map(async (lane) => {
      for (let one = left.shift(); one !== undefined; one = left.shift()) {
        const target = lane.points[one.n]
        if (target) broken.push(...(await failAndHeal(lane.scene, target, one)))
      }
    }),
  )
  t.log(`${cases.length} cases at ${targets.length} calls`)
  t.deepEqual(broken, [])
}

async function failAndHeal(scene: Scene, target: Target, one: Case): Promise<string[]> {
  scene.reset()
  const before = scene.closedDates()
  const run = await scene.fail(target, one.error, one.forEver)
  const faults = scene.torn().map((fault) => `torn: ${fault}`)
  if (run.code === 0) faults.push(...scene.faults(new Map()).map((f) => `exit 0, but ${f}`))
  else faults.push(...dishonest(scene, run, one, before))
  const promised = scene.promised()
  const again = await scene.run()
  if (again.code !== 0) faults.push(`healed: exit ${again.code}\n${again.stderr}`)
  // Where only directories are gone nothing is removed: one that could not be removed beside its files stays.
  const healed = scene.faults(promised).filter((fault) => fault !== 'too much: gone (directory)')
  faults.push(...healed.map((fault) => `healed: ${fault}`))
  if (faults.length === 0) return []
  const title = `${one.error} ${one.forEver ? 'for ever' : 'once'} at ${target.call.line}`
  return [title, ...faults, `exit ${run.code}`, run.stdout, run.stderr]
}

/** What a run that did not do all said wrongly, or did not say. `before`: when the drives were complete. */
function dishonest(
  scene: Scene,
  run: RunResult,
  one: Case,
  before: readonly (string | undefined)[],
): string[] {
  const faults: string[] = []
  if (run.code === null || !HONEST.includes(run.code)) faults.push(`exit ${run.code}`)
  const said = run.stderr + run.stdout
  if (/panick/.test(said)) faults.push('a panic')
  const places = [scene.source, ...scene.drives.map((drive) => drive.path)]
  if (!places.some((place) => said.includes(place))) faults.push('neither file nor drive is named')
  if (/"type":"summary".*"complete":true/.test(run.stdout)) faults.push('the summary: complete')
  const closed = scene.closedDates().map((date, n) => date !== undefined && date !== before[n])
  const called = /"type":"volume-closed".*"complete":true/.test(run.stdout) || closed.some(Boolean)
  if (!called) return faults
  // A drive is complete when what was planned for it in the end is on it: its own list must agree.
  faults.push(...scene.listFaults().map((fault) => `called complete, but ${fault}`))
  // Unless the rest is meant for another drive (4, or no room) or is named (23), nothing may be missing.
  if (run.code !== 4 && run.code !== 23 && !one.error.startsWith('EN') && one.error !== 'EDQUOT') {
    faults.push(...scene.missing().map((fault) => `called complete, but ${fault}`))
  }
  return faults
}

rootTest('EIO and ENOSPC at each call on the drive, once and for ever', async (t) => {
  await inject(t, {
    update: true,
    large: true,
    calls: ON_DRIVE,
    errors: ['EIO', 'ENOSPC'],
    most: 4,
  })
})

rootTest('EDQUOT and EROFS at calls that write', async (t) => {
  await inject(t, {
    update: true,
    calls: ['pwrite64', 'mkdirat', 'renameat2', 'syncfs'],
    errors: ['EDQUOT', 'EROFS'],
    most: 2,
  })
})

rootTest('EIO while the source is read', async (t) => {
  await inject(t, {
    calls: ['openat', 'read', 'pread64'],
    errors: ['EIO'],
    most: 4,
    onSource: true,
  })
})
