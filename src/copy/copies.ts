/**
 * `--copies N`: which copies of the set a run goes through, and the plan of all of them as one.
 *
 * Each copy is a complete backup on drives of its own. A run goes from copy to copy; the catalog says what
 * each of them lacks. Numbers of new drives go on from copy to copy, and a drive that one copy takes is not
 * offered to the next one. A set that never had more than one copy knows nothing of all this.
 */

import type { FsName } from '../native/names.js'
import type { Catalog, Tally } from '../native/set.js'
import type { PathFacts } from '../native/volume.js'
import type { VolumeSpace } from '../plan/ledger.js'
import type { PlanSummary } from '../plan/page.js'
import type { PlanEvent, PlannedVolume, Reporter } from '../report/reporter.js'
import type { Verdict } from '../volume/facts.js'
import { planEvent, type Told, tellUnplaced, type Unplaced, unplacedOf } from './planned.js'

/** What the plans of earlier copies take: not there for a later one. */
export interface Taken {
  /** Outputs whose blank drives get something. */
  readonly outputs: ReadonlySet<FsName>
  /** The highest number that a drive has then. */
  readonly last: number
  /** The drives that these plans were made for. */
  readonly spaces: readonly VolumeSpace[]
}

/** The copies to go through, in their order; empty for a set that never had more than one. */
export function copiesOf(catalog: Catalog): number[] {
  if (!catalog.hasSeveralCopies()) return []
  return Array.from({ length: catalog.copies() }, (_, k) => k + 1)
}

/** Which copy of the set a drive belongs to: by the catalog, else by the drive itself. */
export function copyOf(
  catalog: Catalog,
  { number, id }: Extract<Verdict, { kind: 'volume-of-set' }>,
  facts: PathFacts,
): number {
  const known = catalog.volumes().find((one) => one.number === number && one.id === id)
  return known?.copy ?? facts.volume?.copy ?? 1
}

/** What is planned for one copy; `copy` is absent for a set that has only one. */
export interface CopyPlan {
  readonly copy?: number
  readonly volumes: readonly PlannedVolume[]
}

/** What is planned for all copies. */
export interface Planned {
  readonly event: PlanEvent
  readonly parts: readonly CopyPlan[]
  /** What fits on no drive, counted once a copy. */
  readonly unplaced: Unplaceable
}

export type Unplaceable = PlanSummary['unplaced']

/** Plans all copies, tells the plan as one event, and gives what each copy's part of it is. */
export async function planCopies(
  told: Told,
  refresh: () => Promise<void>,
  report: Reporter,
): Promise<Planned> {
  const { catalog, planner, run } = told
  const copies = copiesOf(catalog)
  if (copies.length === 0) {
    await refresh()
    const event = planEvent(told)
    report.event(event)
    tellUnplaced(unplacedOf(told), report)
    return { event, parts: [{ volumes: event.volumes }], unplaced: planner.unplaced }
  }
  const events: PlanEvent[] = []
  const parts: CopyPlan[] = []
  const unplaced = new Map<string, Unplaced>()
  let taken: Taken | undefined
  let labelled = false
  let left: Unplaceable = { entries: 0, files: 0, bytes: 0 }
  for (const copy of copies) {
    await catalog.needForCopy(run, copy)
    planner.takeCopy(copy, taken)
    await refresh()
    const event = planEvent({
      ...told,
      labelFor: (number, next) => told.labelFor(number, next && !labelled),
    })
    const known = new Set(catalog.volumes().map(({ number }) => number))
    labelled ||= event.volumes.some(({ number }) => !known.has(number))
    const volumes = event.volumes.map((volume) => ({ ...volume, copy }))
    for (const one of unplacedOf(told)) unplaced.set(one.path, one)
    parts.push({ copy, volumes })
    events.push({ ...event, volumes })
    left = plus(left, planner.unplaced)
    taken = planner.taken()
  }
  const event = joined(events, told.tallies)
  report.event(event)
  tellUnplaced([...unplaced.values()], report)
  return { event, parts, unplaced: left }
}

/** Adds up what fits nowhere. */
export function plus(a: Unplaceable, b: Unplaceable): Unplaceable {
  return { entries: a.entries + b.entries, files: a.files + b.files, bytes: a.bytes + b.bytes }
}

/** One plan out of those of all copies. What the sources have is the same in each. */
function joined(events: readonly PlanEvent[], tallies: readonly Tally[]): PlanEvent {
  const [first] = events
  if (first === undefined) throw new Error('a plan of no copies')
  const sum = (pick: (one: PlanEvent) => number): number => events.reduce((n, e) => n + pick(e), 0)
  const seconds = sum((e) => e.seconds ?? 0)
  // What is in the sources and neither new nor changed, whichever copy still lacks it.
  const inSources = tallies.reduce((n, { files }) => n + files, 0)
  return {
    ...first,
    copies: events.length,
    files: sum((e) => e.files),
    bytes: sum((e) => e.bytes),
    unchanged: Math.max(0, inSources - (first.new?.files ?? 0) - first.changed - first.renamed),
    volumes: events.flatMap((e) => e.volumes),
    unplaced: {
      files: sum((e) => e.unplaced.files),
      bytes: sum((e) => e.unplaced.bytes),
    },
    ...(first.seconds === undefined ? {} : { seconds }),
  }
}

/** Why a drive of another copy is not taken now. */
export function otherCopy(of: number, inHand: number, wanted: number): string {
  if (of > wanted) return `It belongs to copy ${of} of the set, which is not wanted any more`
  return `It belongs to copy ${of} of the set, which ${of < inHand ? 'is done' : 'comes later'}`
}
