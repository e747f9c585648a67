/**
 * The plan of a run: from what has to be copied and the drives there are to a stored plan, and when
 * that plan has to be made anew.
 *
 * A plan binds: it is kept while the drives are what it was made for, and made again only where a drive
 * came that it did not know, or the room on one changed by more than the writing itself.
 */

import type { FsName } from '../native/names.js'
import type { Catalog, Volume } from '../native/set.js'
import { PlanFold } from '../plan/fold.js'
import type { VolumeSpace } from '../plan/ledger.js'
import type { PlanSummary, UnseenVolumes, VolumePlan } from '../plan/page.js'
import { type Drives, spaceOfDrive, spaceOfVolume } from './drives.js'
import type { CopyOptions } from './options.js'

/** What a plan is made of. */
export interface PlannerParts {
  readonly catalog: Catalog
  readonly run: number
  readonly options: CopyOptions
  readonly drives: Drives
  /** Where drives are looked for. */
  readonly outputs: FsName[]
  /** Volumes that this run is done with. */
  readonly done: ReadonlySet<number>
  /** Volumes that are open: the plan for them stands while they are written. */
  readonly isOpen: (number: number) => boolean
  /** Whether fewer bytes allocated than there are means holes: not where a source compresses. */
  readonly trustAllocated: boolean
}

/** What stands at the outputs, for a plan. */
interface Basis {
  /** In order of preference. */
  readonly spaces: readonly VolumeSpace[]
  /** By output: the number that the drive there will get, when it is new. */
  readonly fresh: ReadonlyMap<FsName, number>
  /** The number of the first drive that nobody has seen. */
  readonly next: number
}

/** Makes and keeps the plan. */
export class Planner {
  readonly #p: PlannerParts
  #basis: Basis | undefined
  #summary: PlanSummary = { volumes: [], unplaced: { entries: 0, files: 0, bytes: 0 } }

  constructor(parts: PlannerParts) {
    this.#p = parts
  }

  /** The shares of the volumes that are still to be written, in their order. */
  get volumes(): readonly VolumePlan[] {
    return this.#summary.volumes.filter(({ number }) => !this.#p.done.has(number))
  }

  /** What fits nowhere. */
  get unplaced(): PlanSummary['unplaced'] {
    return this.#summary.unplaced
  }

  /** The share of one volume. */
  share(number: number): VolumePlan | undefined {
    return this.volumes.find((volume) => volume.number === number)
  }

  /** The next `refresh` makes a new plan: what is to be copied, or the room for it, has changed. */
  invalidate(): void {
    this.#basis = undefined
  }

  /** Makes a new plan unless the one there is still holds. */
  async refresh(): Promise<void> {
    const dropped = new Set<FsName>()
    for (;;) {
      const basis = await this.#look(dropped)
      if (this.#holds(basis)) return
      const { catalog, run, options, trustAllocated } = this.#p
      const like = basis.spaces.length > 0 ? basis.spaces : this.#likeKnown()
      const unseen = unseenLike(like, options, basis.next)
      // Drives on the shelf get something new only where that saves a new drive: fetching one is the cost.
      let fold = new PlanFold(basis.spaces, unseen, { trustAllocated })
      await catalog.plan(run, (page) => fold.page(page))
      const needsNew = fold.finish().volumes.some(({ known }) => !known)
      if (needsNew && basis.spaces.some(({ homeOnly }) => homeOnly)) {
        const open = basis.spaces.map((space) => ({ ...space, homeOnly: false }))
        const second = new PlanFold(open, unseen, { trustAllocated })
        await catalog.plan(run, (page) => second.page(page))
        if (second.finish().volumes.every(({ known }) => known)) {
          fold = second
        } else {
          fold = new PlanFold(basis.spaces, unseen, { trustAllocated })
          await catalog.plan(run, (page) => fold.page(page))
        }
      }
      this.#summary = fold.finish()
      this.#basis = basis
      // A new drive that gets nothing gets no number either, or numbers would be left out.
      const used = this.#summary.volumes.map(({ number }) => number)
      const last = Math.max(0, ...used)
      const useless = [...basis.fresh].find(([, n]) => n < last && !used.includes(n))
      if (useless === undefined) return
      dropped.add(useless[0])
    }
  }

  /** The number that the new drive at an output gets; undefined where nothing of what is left fits on it. */
  async newVolumeAt(output: FsName): Promise<number | undefined> {
    const { outputs } = this.#p
    const extra = !outputs.includes(output)
    if (extra) outputs.unshift(output)
    await this.refresh()
    const number = this.#basis?.fresh.get(output)
    if (number !== undefined && this.share(number) !== undefined) return number
    if (extra) {
      outputs.splice(outputs.indexOf(output), 1)
      await this.refresh()
    }
    return undefined
  }

  /** Whether the plan was made for these drives, but for those that have been written since. */
  #holds({ spaces }: Basis): boolean {
    const before = this.#basis?.spaces.filter(({ number }) => !this.#p.done.has(number))
    return before !== undefined && JSON.stringify(before) === JSON.stringify(spaces)
  }

  async #look(dropped: ReadonlySet<FsName>): Promise<Basis> {
    const { catalog, options, done, outputs, drives, isOpen } = this.#p
    const { reserve, volumeSizes } = options
    const volumes = catalog.volumes()
    const spaces: VolumeSpace[] = []
    const fresh = new Map<FsName, number>()
    let next = volumes.reduce((most, { number }) => Math.max(most, number), 0) + 1
    const seen = new Set<number>()
    for (const output of outputs) {
      const { verdict, facts } = await drives.look(output)
      if (verdict.kind === 'volume-of-set' && !verdict.clone && !seen.has(verdict.number)) {
        const { number } = verdict
        seen.add(number)
        if (done.has(number)) continue
        const volume = volumes.find((one) => one.number === number)
        const planned = this.#basis?.spaces.find((one) => one.number === number)
        // What is written on it now was planned; its free space says nothing new.
        spaces.push(
          planned !== undefined && isOpen(number)
            ? planned
            : spaceOfDrive(facts, number, volume, reserve, volumeSizes),
        )
      } else if ((verdict.kind === 'blank' || verdict.kind === 'foreign') && !dropped.has(output)) {
        spaces.push(spaceOfDrive(facts, next, undefined, reserve, volumeSizes))
        fresh.set(output, next)
        next += 1
      }
    }
    const away = volumes.filter(({ number }) => !seen.has(number) && !done.has(number))
    spaces.push(
      ...away.map((one: Volume) => ({
        ...spaceOfVolume(one, reserve, volumeSizes),
        homeOnly: true,
      })),
    )
    return { spaces, fresh, next }
  }

  /** All volumes are done: new drives are thought to be like the ones before, and empty. */
  #likeKnown(): VolumeSpace[] {
    const { catalog, options } = this.#p
    return catalog.volumes().map((volume) => spaceOfVolume(volume, options.reserve, []))
  }
}

/** Bytes of a drive while nothing is known of any: larger than all that there are. */
const UNKNOWN_CAPACITY = 2 ** 52

/** What is assumed of drives that nobody has seen: like the largest that there is. */
export function unseenLike(
  spaces: readonly VolumeSpace[],
  options: Pick<CopyOptions, 'volumeSizes'>,
  firstNumber: number,
): UnseenVolumes {
  const largest = spaces.reduce<VolumeSpace | undefined>(
    (best, space) => (best === undefined || space.capacity > best.capacity ? space : best),
    undefined,
  )
  return {
    sizes: options.volumeSizes,
    // Nothing is known of any drive: whatever comes is asked for first, and planned when it is there.
    capacity: largest?.capacity ?? UNKNOWN_CAPACITY,
    blockSize: largest?.blockSize ?? 4096,
    fsType: largest?.fsType ?? '',
    hasLinks: largest?.hasLinks ?? true,
    reserve: largest?.reserve ?? 0,
    firstNumber,
  }
}
