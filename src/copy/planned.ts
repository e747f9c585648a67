/** A plan as it is told: the event, and the names of what fits nowhere or will be refused. */

import prettyBytes from 'pretty-bytes'
import type { FsName } from '../native/names.js'
import type { Catalog, Tally } from '../native/set.js'
import { UNKNOWN_CAPACITY } from '../plan/ledger.js'
import type { VolumePlan } from '../plan/page.js'
import type { PlanEvent, PlannedVolume, Reporter, WaitingVolume } from '../report/reporter.js'
import type { PlanInForce } from './planning.js'
import type { Removal } from './scan.js'

/** Names that are told, of each kind. */
const NAMED = 20

/** What a told plan is made of. */
export interface Told {
  readonly planner: PlanInForce
  readonly catalog: Catalog
  readonly run: number
  readonly sources: readonly FsName[]
  readonly tallies: readonly Tally[]
  readonly removal: Removal
  /** The label of a drive that is new; `next`: it is the first of them. */
  readonly labelFor: (number: number, next: boolean) => string
  /** Nothing is written: the plan is all there is. */
  readonly dryRun?: boolean
}

/** The plan in force as an event. */
export function planEvent(told: Told): PlanEvent {
  const { planner, catalog, sources, tallies, removal, dryRun } = told
  const sum = (pick: (one: Tally) => number): number => tallies.reduce((n, t) => n + pick(t), 0)
  const shares = planner.volumes
  const placed = { files: total(shares, 'files'), bytes: total(shares, 'bytes') }
  const { unplaced } = planner
  const files = placed.files + unplaced.files
  const bytes = placed.bytes + unplaced.bytes
  const renamed = sum((t) => t.renamedFiles)
  const gone = { files: removal.files, bytes: removal.bytes }
  const none = { files: 0, bytes: 0 }
  const rate = catalog.rate()
  return {
    type: 'plan',
    sources,
    files,
    bytes,
    new: { files: sum((t) => t.newFiles), bytes: sum((t) => t.newBytes) },
    unchanged: Math.max(0, sum((t) => t.files) - files - renamed),
    unchangedBytes: sum((t) => t.bytes - t.newBytes - t.changedBytes),
    changed: sum((t) => t.changedFiles),
    changedBytes: sum((t) => t.changedBytes),
    renamed,
    gone: sum((t) => t.goneFiles),
    removed: removal.removes ? gone : none,
    kept: removal.removes ? none : gone,
    unreadable: sum((t) => t.unreadable),
    volumes: volumesOf(told),
    unplaced: { files: unplaced.files, bytes: unplaced.bytes },
    ...(rate === undefined || rate <= 0 ? {} : { seconds: Math.round(placed.bytes / rate) }),
    waiting: waitingOf(catalog, removal),
    ...(dryRun === true ? { dryRun } : {}),
  }
}

/** What the drives of a set have to come in for, besides copying. */
export function waitingOf(catalog: Catalog, { removes }: Removal): WaitingVolume[] {
  const volumes = catalog.volumes()
  return catalog.waitingWork().flatMap(({ volume, renames, removals }) => {
    const label = volumes.find(({ number }) => number === volume)?.label
    const some = { renames, removals: removes ? removals : 0 }
    return label === undefined || some.renames + some.removals === 0
      ? []
      : [{ number: volume, label, ...some }]
  })
}

function volumesOf({ planner, catalog, run, labelFor }: Told): PlannedVolume[] {
  const labels = new Map(catalog.volumes().map((v) => [v.number, v.label]))
  const firstNew = planner.volumes.find(({ number }) => !labels.has(number))?.number
  return planner.volumes.map((share): PlannedVolume => {
    const { number, known, files, bytes, left, cost, capacity, refusedNames, copiedNames } = share
    const space = planner.spaces.find((one) => one.number === number)
    const larger = planner.refusing.find((one) => one.number === number)?.files ?? 0
    const refused =
      refusedNames > 0 ? catalog.plannedOdd(run, number, space?.refuses ?? 0, NAMED) : []
    return {
      number,
      label: labels.get(number) ?? labelFor(number, number === firstNew),
      known,
      mounted: space !== undefined && space.homeOnly !== true,
      files,
      bytes,
      ...(capacity >= UNKNOWN_CAPACITY
        ? {}
        : { available: Math.max(0, Math.round(left + cost)), capacity, cost: Math.ceil(cost) }),
      ...(refusedNames > 0 ? { refusedNames, refused: refused.map(({ path }) => path) } : {}),
      ...(copiedNames > 0 ? { copiedNames } : {}),
      ...(larger > 0 ? { refusedSizes: larger } : {}),
    }
  })
}

/** A file that fits on no drive: its path and its bytes. */
export interface Unplaced {
  readonly path: FsName
  readonly value: number
}

/** The first files that fit on no drive, by the plan in force. */
export function unplacedOf({ catalog, run }: Told): Unplaced[] {
  return catalog.planned(run, 0, NAMED)
}

/** Names the first files that fit on no drive. */
export function tellUnplaced(unplaced: readonly Unplaced[], report: Reporter): void {
  for (const { path, value } of unplaced.slice(0, NAMED)) {
    report.event({
      type: 'file-error',
      path,
      doing: 'planning',
      code: 'too-large',
      message: `its ${prettyBytes(value)} fit on no drive that is known`,
    })
  }
}

function total(shares: readonly VolumePlan[], of: 'files' | 'bytes'): number {
  return shares.reduce((sum, share) => sum + share[of], 0)
}
