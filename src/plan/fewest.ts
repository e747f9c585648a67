/**
 * Which drives on the shelf are opened for what is new, so that the fewest drives are asked for.
 *
 * Pure but for the trials, which the caller makes: each is a whole plan for some order of volumes. A first
 * run, and a run for which the drives in hand are enough, need one trial.
 */
import { room, type VolumeSpace } from './ledger.js'
import type { PlanSummary } from './page.js'

/** Trials with drives that are not needed anyway; the estimate is good, so the first is mostly the best. */
const MOST_TRIALS = 3

/** Makes a plan for volumes in this order; the plan of the last trial is the one in force. */
export type Trial = (volumes: readonly VolumeSpace[]) => Promise<PlanSummary>

/** A plan by what counts: what is left out, drives to fetch or buy, drives to buy, drives in all. */
interface Score {
  readonly unplaced: number
  readonly asked: number
  readonly fresh: number
  readonly used: number
}

/** Whether plan `a` is better than `b`, both for these volumes. */
export function asksForFewer(
  a: PlanSummary,
  b: PlanSummary,
  volumes: readonly VolumeSpace[],
): boolean {
  const shelf = volumes.filter(({ homeOnly }) => homeOnly === true)
  const onShelf = new Set(shelf.map(({ number }) => number))
  return isBetter(scoreOf(a, onShelf), scoreOf(b, onShelf))
}

/**
 * The plan that asks for the fewest drives. `volumes`: those in hand in their order, then those on the
 * shelf (`homeOnly`). When it resolves the best plan is in force.
 */
export async function fewestDrives(
  volumes: readonly VolumeSpace[],
  trial: Trial,
): Promise<PlanSummary> {
  const shelf = volumes.filter(({ homeOnly }) => homeOnly === true)
  const order = (opened: readonly VolumeSpace[]): VolumeSpace[] => [
    ...volumes.filter(({ homeOnly }) => homeOnly !== true),
    ...opened.map((space) => ({ ...space, homeOnly: false, fetched: true })),
    ...shelf.filter(({ number }) => !opened.some((one) => one.number === number)),
  ]
  const onShelf = new Set(shelf.map(({ number }) => number))
  const first = await trial(order([]))
  if (shelf.length === 0 || isEnough(first)) return first

  // Drives that get back what has changed are fetched in any case.
  const needed = shelf.filter(({ number }) => first.volumes.some((one) => one.number === number))
  let best = { opened: [] as VolumeSpace[], plan: first, score: scoreOf(first, onShelf) }
  let last = best
  const attempt = async (opened: VolumeSpace[]): Promise<Score> => {
    const plan = await trial(order(opened))
    last = { opened, plan, score: scoreOf(plan, onShelf) }
    if (isBetter(last.score, best.score)) best = last
    return last.score
  }
  if (needed.length > 0) await attempt(needed)
  if (!isEnough(best.plan)) {
    const others = shelf
      .filter((space) => !needed.includes(space) && room(space) > 0)
      .sort((a, b) => room(b) - room(a) || a.number - b.number)
    for (const count of counts(best.plan, others)) {
      const score = await attempt([...needed, ...others.slice(0, count)])
      // Fewer than with one drive more than needed anyway there can't be.
      if (score.unplaced === 0 && score.fresh === 0 && count === 1) break
    }
  }
  if (last === best) return best.plan
  return trial(order(best.opened))
}

/** Nothing more could be gained. */
function isEnough(plan: PlanSummary): boolean {
  return plan.unplaced.entries === 0 && plan.volumes.every(({ known }) => known)
}

function scoreOf(plan: PlanSummary, onShelf: ReadonlySet<number>): Score {
  const fresh = plan.volumes.filter(({ known }) => !known).length
  const fetched = plan.volumes.filter(({ number }) => onShelf.has(number)).length
  const used = plan.volumes.length
  return { unplaced: plan.unplaced.entries, asked: fresh + fetched, fresh, used }
}

function isBetter(a: Score, b: Score): boolean {
  if (a.unplaced !== b.unplaced) return a.unplaced < b.unplaced
  if (a.asked !== b.asked) return a.asked < b.asked
  if (a.fresh !== b.fresh) return a.fresh < b.fresh
  return a.used < b.used
}

/** How many of the other drives, the roomiest first, are worth a trial: by estimate, the best first. */
function counts(plan: PlanSummary, others: readonly VolumeSpace[]): number[] {
  if (others.length === 0) return []
  const fresh = plan.volumes.filter(({ known }) => !known)
  const over = fresh.reduce((sum, { cost }) => sum + cost, 0)
  const size = Math.max(1, ...fresh.map(({ cost, left }) => cost + left))
  let gained = 0
  const estimates = others.map((space, index) => {
    gained += Math.max(0, room(space))
    const news = Math.ceil(Math.max(0, over - gained) / size)
    return { count: index + 1, asked: index + 1 + news, news }
  })
  const worth = estimates
    .filter(({ asked }) => asked <= fresh.length)
    .sort((a, b) => a.asked - b.asked || a.news - b.news || a.count - b.count)
    .slice(0, MOST_TRIALS)
    .map(({ count }) => count)
  // What fits on no drive that is open may fit on the roomiest one, or on one of all.
  const all = others.length
  const more = plan.unplaced.entries > 0 ? [1, all] : []
  return [...new Set([...worth, ...more])]
}
