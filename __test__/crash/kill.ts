/** Cutting a scene's run off at one point after the other, and what has to hold each time. */

import type { ExecutionContext } from 'ava'
import { Scene, type SceneOptions } from './scene.js'
import { pointsOf, sample, type Target } from './strace.js'

/** Runs are mostly waiting for the start of node: two at a time use two cores. */
const LANES = 2

/** What a campaign is. */
export interface Campaign extends SceneOptions {
  /** How many points; all with MVCOPY_ALL=1. */
  readonly most: number
  /** How many states between two changes of a drive may be left out, for lack of a call to aim at. */
  readonly missed: number
  /** Brings a scene into the state that is saved; default as it is made. */
  readonly prepare?: (scene: Scene) => Promise<void>
}

/** Kills the run at each point, then runs it to its end. Resolves with the number of points. */
export async function campaign(t: ExecutionContext, options: Campaign): Promise<number> {
  const lanes = await Promise.all(
    Array.from({ length: LANES }, async () => {
      const scene = await Scene.make(options)
      await options.prepare?.(scene)
      // On a busy machine threads may touch the same names in an order in which few calls can be aimed at.
      let seen = pointsOf(await scene.calls())
      for (let left = 4; left > 0 && seen.missed > options.missed; left -= 1) {
        seen = pointsOf(await scene.calls())
      }
      return { scene, ...seen }
    }),
  )
  const [first] = lanes
  if (first === undefined) throw new Error('no lanes')
  for (const { missed } of lanes) {
    t.true(missed <= options.missed, `${missed} states cannot be reached`)
  }
  const broken: string[] = []
  let killed = 0
  await Promise.all(
    lanes.map(async ({ scene, points }, lane) => {
      // Each goes by its own list: what was made within one second in one scene was not in the other, perhaps.
      const own = sample(points, options.most).filter((_, n) => n % LANES === lane)
      for (const target of own) {
        killed += 1
        broken.push(...(await killAndFinish(scene, target)))
      }
    }),
  )
  t.log(`${killed} of ${first.points.length} points, ${first.missed} states left out`)
  // All of them, not the first: which points break is half of the diagnosis.
  t.deepEqual(broken, [])
  return killed
}

/** Kills the run there and runs it again; what did not hold. */
async function killAndFinish(scene: Scene, target: Target): Promise<string[]> {
  scene.reset()
  await scene.kill(target)
  const faults = scene.torn().map((fault) => `torn: ${fault}`)
  const promised = scene.promised()
  const again = await scene.run()
  if (again.code !== 0) faults.push(`exit ${again.code}`)
  faults.push(...scene.torn().map((fault) => `torn by another run: ${fault}`))
  faults.push(...scene.faults(promised))
  if (faults.length === 0) return []
  return [`killed at ${target.call.line}`, ...faults, again.stderr]
}
