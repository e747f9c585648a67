/**
 * Calls that fail, once and for ever: nothing that is missing is called complete, nothing is torn, the
 * user is told what and where, and when the fault has gone the same command completes the backup.
 */

import type { ExecutionContext } from 'ava'
import type { RunResult } from '../helpers/cli.js'
import { rootTest } from '../helpers/root.js'
import { closedDate, Scene, type SceneOptions } from './scene.js'
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
      return { scene, targets: targetsOf(await scene.calls(options.calls, roots), options.calls) }
    }),
  )
  const targets = lanes[0]?.targets ?? []
  for (const lane of lanes) t.is(lane.targets.length, targets.length, 'the runs differ')
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
        const target = lane.targets[one.n]
        if (target) broken.push(...(await failAndHeal(lane.scene, target, one)))
      }
    }),
  )
  t.log(`${cases.length} cases at ${targets.length} calls`)
  t.deepEqual(broken, [])
}

async function failAndHeal(scene: Scene, target: Target, one: Case): Promise<string[]> {
  scene.reset()
  const run = await scene.fail(target, one.error, one.forEver)
  const faults = scene.torn().map((fault) => `torn: ${fault}`)
  if (run.code === 0) faults.push(...scene.faults(new Map()).map((f) => `exit 0, but ${f}`))
  else faults.push(...dishonest(scene, run))
  const promised = scene.promised()
  const again = await scene.run()
  if (again.code !== 0) faults.push(`healed: exit ${again.code}\n${again.stderr}`)
  faults.push(...scene.faults(promised).map((fault) => `healed: ${fault}`))
  if (faults.length === 0) return []
  const title = `${one.error} ${one.forEver ? 'for ever' : 'once'} at ${target.call.line}`
  return [title, ...faults, `exit ${run.code}`, run.stdout, run.stderr]
}

/** What a run that did not do all said wrongly, or did not say. */
function dishonest(scene: Scene, run: RunResult): string[] {
  const faults: string[] = []
  if (run.code === null || !HONEST.includes(run.code)) faults.push(`exit ${run.code}`)
  const said = run.stderr + run.stdout
  if (/panick/.test(said)) faults.push('a panic')
  const places = [scene.source, ...scene.drives.map((drive) => drive.path)]
  if (!places.some((place) => said.includes(place))) faults.push('neither file nor drive is named')
  if (run.code === 23) return faults
  for (const drive of scene.drives) {
    if (closedDate(drive.path)) faults.push(`volume.json of ${drive.path} says closed`)
  }
  if (/"type":"volume-closed".*"complete":true/.test(run.stdout)) faults.push('said: complete')
  if (/"type":"summary".*"complete":true/.test(run.stdout)) faults.push('the summary: complete')
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
