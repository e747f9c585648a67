/**
 * The plan of a run: from what has to be copied and the drives there are to a stored plan, and when
 * that plan has to be made anew.
 *
 * A plan binds: it is kept while the drives are what it was made for, and made again only where a drive
 * came that it did not know, or the room on one changed by more than the writing itself.
 */

import { projectedList } from '../native/adopt.js'
import type { FsName } from '../native/names.js'
import type { Catalog, Volume } from '../native/set.js'
import { asksForFewer, fewestDrives, type Trial } from '../plan/fewest.js'
import { PlanFold } from '../plan/fold.js'
import { room, UNKNOWN_CAPACITY, type VolumeSpace } from '../plan/ledger.js'
import { largeFrom, pack } from '../plan/pack.js'
import type { PlanOptions, PlanSummary, UnseenVolumes, VolumePlan } from '../plan/page.js'
import { partSize } from '../plan/parts.js'
import { Survey, type Surveyed } from '../plan/survey.js'
import type { Taken } from './copies.js'
import { copyOf } from './copies.js'
import { type Drives, spaceOfDrive, spaceOfVolume } from './drives.js'
import type { CopyOptions } from './options.js'

/** The most of a drive, as a share of its capacity, that is kept for lists of the whole set. */
const LIST_SHARE = 0.1

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
  /** Whether what is gone from the sources is removed from the drives that come in. */
  readonly removesGone: () => boolean
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

/** The plan where there is nothing to copy. */
const NOTHING: PlanSummary = {
  volumes: [],
  refusing: [],
  displaced: 0,
  unplaced: { entries: 0, files: 0, bytes: 0 },
}

/** A plan as those see it who write by it. */
export type PlanInForce = Pick<
  Planner,
  | 'volumes'
  | 'unplaced'
  | 'refusing'
  | 'spaces'
  | 'share'
  | 'invalidate'
  | 'refresh'
  | 'cleared'
  | 'newVolumeAt'
  | 'takeCopy'
  | 'taken'
>

/** Makes and keeps the plan. */
export class Planner {
  readonly #p: PlannerParts
  #basis: Basis | undefined
  #summary: PlanSummary = NOTHING
  /** What removing what is gone will free, by volume; found out once. */
  #freed: readonly { readonly volume: number; readonly bytes: number }[] | undefined
  /** Volumes from which what is gone has been removed in this run. */
  readonly #cleared = new Set<number>()
  /** About how many bytes a list of the whole set will have; known when there is something to plan. */
  #list: number | undefined
  /** The copy in hand; undefined for a set that has only one. */
  #copy: number | undefined
  /** What the plans of earlier copies take, while all are planned one after the other. */
  #taken: Taken | undefined

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

  /** Volumes that are not able to hold some of the files. */
  get refusing(): PlanSummary['refusing'] {
    return this.#summary.refusing
  }

  /** Where the plan stands: the volumes that it was made for, those in hand first. */
  get spaces(): readonly VolumeSpace[] {
    return this.#basis?.spaces ?? []
  }

  /** The share of one volume. */
  share(number: number): VolumePlan | undefined {
    return this.volumes.find((volume) => volume.number === number)
  }

  /** Plans for the drives of this copy from here on; `taken`: beside the plans of the ones before. */
  takeCopy(copy: number, taken?: Taken): void {
    this.#copy = copy
    this.#taken = taken
    this.#basis = undefined
    this.#summary = NOTHING
  }

  /** What the plan in force and those before it take. */
  taken(): Taken {
    const before = this.#taken
    const used = this.#summary.volumes.map(({ number }) => number)
    const fresh = [...(this.#basis?.fresh ?? [])].filter(([, number]) => used.includes(number))
    return {
      outputs: new Set([...(before?.outputs ?? []), ...fresh.map(([output]) => output)]),
      last: Math.max(before?.last ?? 0, ...used),
      spaces: [...(before?.spaces ?? []), ...(this.#basis?.spaces ?? [])],
    }
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
      const { catalog, run } = this.#p
      // Most later runs end here: a question to the catalog, instead of a pass over all that it knows.
      if (!catalog.needsCopies(run)) {
        this.#summary = NOTHING
        this.#basis = basis
        return
      }
      if (this.#list === undefined) {
        this.#list = await projectedList(catalog)
        continue
      }
      const like = basis.spaces.length > 0 ? basis.spaces : this.#likeOthers()
      const seen = unseenLike(like, this.#p.options, basis.next)
      const reserve = seen.reserve + this.#listRoom(undefined, seen.capacity)
      const unseen = { ...seen, reserve }
      this.#summary = await this.#make(basis.spaces, unseen)
      if (this.#split(basis.spaces, unseen)) this.#summary = await this.#make(basis.spaces, unseen)
      this.#basis = basis
      // A new drive that gets nothing gets no number either, or numbers would be left out.
      const used = this.#summary.volumes.map(({ number }) => number)
      const last = Math.max(0, ...used)
      const useless = [...basis.fresh].find(([, n]) => n < last && !used.includes(n))
      if (useless === undefined) return
      dropped.add(useless[0])
    }
  }

  /** With `--split-large`: cuts what fits nowhere into parts. True where anything was cut. */
  #split(spaces: readonly VolumeSpace[], unseen: UnseenVolumes): boolean {
    const { catalog, run, options } = this.#p
    if (!options.splitLarge || this.#summary.unplaced.files === 0) return false
    return catalog.splitUnplaced(run, partSize(spaces, unseen)) > 0
  }

  /** Makes the plan that asks for the fewest drives; in one pass where those in hand are enough. */
  async #make(spaces: readonly VolumeSpace[], unseen: UnseenVolumes): Promise<PlanSummary> {
    const { catalog, run, options, trustAllocated } = this.#p
    const { keepTogether, pack: packs } = options
    const from = packs ? largeFrom(spaces, unseen) : Number.POSITIVE_INFINITY
    const look = async (): Promise<Surveyed> => {
      const depth = keepTogether
      const survey = new Survey(spaces, unseen, { trustAllocated, depth, largeFrom: from })
      await catalog.plan(run, keepTogether, (page) => survey.page(page))
      return survey.finish()
    }
    let surveyed = packs || keepTogether > 0 ? await look() : undefined
    const trial =
      (packed: boolean): Trial =>
      async (volumes) => {
        const plan: PlanOptions = {
          trustAllocated,
          ...(surveyed === undefined ? {} : known(surveyed)),
          ...(packed && surveyed !== undefined
            ? { promised: pack(volumes, unseen, surveyed, from, trustAllocated) }
            : {}),
        }
        const fold = new PlanFold(volumes, unseen, plan)
        await catalog.plan(run, keepTogether, (page) => fold.page(page))
        return fold.finish()
      }
    let plain = await fewestDrives(spaces, trial(false))
    if (plain.displaced > 0 && surveyed === undefined) {
      // New files took the room that changed ones need at home: once more, with that room kept.
      surveyed = await look()
      plain = await fewestDrives(spaces, trial(false))
    }
    if (!packs || plain.volumes.length < 2) return plain
    const packed = await fewestDrives(spaces, trial(true))
    // What comes out smaller one time in a thousand is never to come out larger.
    return asksForFewer(plain, packed, spaces) ? fewestDrives(spaces, trial(false)) : packed
  }

  /**
   * What is gone has been removed from a volume, or what could be: the plan has counted on the room where
   * it knew of all of it (`asPlanned`).
   */
  cleared(number: number, asPlanned: boolean): void {
    if (!asPlanned || !this.#p.removesGone()) this.invalidate()
    this.#cleared.add(number)
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

  /**
   * Bytes to be kept on a volume for lists of the whole set: a new one is written beside the old one, and
   * the set grows. A list that would take more than its share of a drive is not what the drive is for.
   */
  #listRoom(volume: Volume | undefined, capacity: number): number {
    const listed = volume !== undefined && volume.listed > 0
    return Math.min((this.#list ?? 0) * (listed ? 1 : 2), capacity * LIST_SHARE)
  }

  #withList(space: VolumeSpace, volume: Volume | undefined): VolumeSpace {
    return { ...space, rewrite: (space.rewrite ?? 0) + this.#listRoom(volume, space.capacity) }
  }

  /**
   * Whether the plan was made for these drives, but for those that have been written since. A drive that has
   * come in from the shelf with the room that it had is what it was; with more room it will do as well,
   * unless new drives are needed or something fits nowhere.
   */
  #holds({ spaces }: Basis): boolean {
    if (this.#basis === undefined) return false
    const before = this.#basis.spaces.filter(({ number }) => !this.#p.done.has(number))
    const { volumes, unplaced } = this.#summary
    const tight = unplaced.entries > 0 || volumes.some(({ known }) => !known)
    return (
      before.length === spaces.length &&
      before.every((old) => {
        const now = spaces.find(({ number }) => number === old.number)
        return now !== undefined && isAsGood(now, old, tight)
      })
    )
  }

  async #look(dropped: ReadonlySet<FsName>): Promise<Basis> {
    const { catalog, options, done, outputs, drives, isOpen } = this.#p
    const { reserve, volumeSizes } = options
    const volumes = catalog.volumes()
    if (this.#p.removesGone()) this.#freed ??= catalog.goneRoom()
    const withFreed = (space: VolumeSpace): VolumeSpace => {
      const { number } = space
      const found = this.#freed?.find(({ volume }) => volume === number)?.bytes ?? 0
      const bytes = this.#cleared.has(number) ? 0 : found
      if (bytes === 0) return space
      const used = space.used === undefined ? {} : { used: Math.max(0, space.used - bytes) }
      return { ...space, available: space.available + bytes, ...used }
    }
    const spaces: VolumeSpace[] = []
    const fresh = new Map<FsName, number>()
    const last = this.#taken?.last ?? 0
    let next = volumes.reduce((most, { number }) => Math.max(most, number), last) + 1
    const seen = new Set<number>()
    for (const output of outputs) {
      const { verdict, facts } = await drives.look(output)
      if (verdict.kind === 'volume-of-set' && !verdict.clone && !seen.has(verdict.number)) {
        const { number } = verdict
        seen.add(number)
        if (done.has(number)) continue
        if (this.#copy !== undefined && copyOf(catalog, verdict, facts) !== this.#copy) continue
        const volume = volumes.find((one) => one.number === number)
        // Nothing new goes to a drive that is to leave the set.
        if (volume !== undefined && volume.fate !== '') continue
        const planned = this.#basis?.spaces.find((one) => one.number === number)
        // What is written on it now was planned; its free space says nothing new.
        spaces.push(
          planned !== undefined && isOpen(number)
            ? planned
            : withFreed(
                this.#withList(spaceOfDrive(facts, number, volume, reserve, volumeSizes), volume),
              ),
        )
      } else if (
        (verdict.kind === 'blank' || verdict.kind === 'foreign') &&
        !dropped.has(output) &&
        this.#taken?.outputs.has(output) !== true
      ) {
        const space = spaceOfDrive(facts, next, undefined, reserve, volumeSizes)
        spaces.push(this.#withList(space, undefined))
        fresh.set(output, next)
        next += 1
      }
    }
    const away = volumes.filter(
      ({ number, fate, copy }) =>
        fate === '' &&
        (this.#copy === undefined || copy === this.#copy) &&
        !seen.has(number) &&
        !done.has(number),
    )
    spaces.push(
      ...away.map((one: Volume) => ({
        ...withFreed(this.#withList(spaceOfVolume(one, reserve, volumeSizes), one)),
        homeOnly: true,
      })),
    )
    return { spaces, fresh, next }
  }

  /** All volumes are done, or another copy's: new drives are thought to be like these, and empty. */
  #likeOthers(): VolumeSpace[] {
    const { catalog, options } = this.#p
    if (this.#taken !== undefined && this.#taken.spaces.length > 0) return [...this.#taken.spaces]
    return catalog.volumes().map((volume) => spaceOfVolume(volume, options.reserve, []))
  }
}

/** What a survey found, as a fold is told it. */
function known({ directories, deepest, longestPath, units, homes }: Surveyed): PlanOptions {
  return { directories, deepest, longestPath, homes, ...(units === undefined ? {} : { units }) }
}

/** Whether a plan that was made for `old` is one for `now`. `tight`: more room could make a better one. */
function isAsGood(now: VolumeSpace, old: VolumeSpace, tight: boolean): boolean {
  const fixed = (space: VolumeSpace): string => {
    const { available, inodesFree, used, homeOnly, rewrite, ...rest } = space
    return JSON.stringify(Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)))
  }
  if (fixed(now) !== fixed(old)) return false
  const [had, has] = [room(old) - (old.rewrite ?? 0), room(now) - (now.rewrite ?? 0)]
  const inodes = now.inodesFree === 0 || now.inodesFree >= old.inodesFree
  return tight ? has === had && now.inodesFree === old.inodesFree : has >= had && inodes
}

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
    refuses: largest?.refuses ?? 0,
    firstNumber,
  }
}
