/** Plans as a run makes them, on rows in memory: survey, promises, trials. */
import { asksForFewer, fewestDrives, type Trial } from '../../src/plan/fewest.js'
import {
  PlanFold,
  type PlanOptions,
  type PlanSummary,
  type UnseenVolumes,
} from '../../src/plan/fold.js'
import type { VolumeSpace } from '../../src/plan/ledger.js'
import { largeFrom, pack } from '../../src/plan/pack.js'
import { Survey } from '../../src/plan/survey.js'
import { page, type Row } from './tree.js'

export const MB = 1024 * 1024

/** A drive of so many bytes, empty. */
export function volume(number: number, size: number, more: Partial<VolumeSpace> = {}): VolumeSpace {
  return {
    number,
    capacity: size,
    available: size,
    blockSize: 4096,
    inodesFree: 0,
    fsType: 'ext4',
    reserve: 0,
    hasLinks: true,
    known: true,
    ...more,
  }
}

/** New drives of so many bytes; 0: there are none. */
export function unseen(capacity: number, more: Partial<UnseenVolumes> = {}): UnseenVolumes {
  return {
    sizes: [],
    capacity,
    blockSize: 4096,
    fsType: 'ext4',
    hasLinks: true,
    reserve: 0,
    ...more,
  }
}

/** What a plan says, row by row and in all. */
export interface Planned {
  readonly places: number[]
  readonly summary: PlanSummary
  /** How often the rows were gone through. */
  readonly passes: number
}

/** Makes a plan in pages of `pageSize` rows. */
export async function planned(
  rows: readonly Row[],
  volumes: readonly VolumeSpace[],
  template: UnseenVolumes,
  options: { packed?: boolean; depth?: number; pageSize?: number } = {},
): Promise<Planned> {
  const { packed = false, depth = 0, pageSize = Math.max(1, rows.length) } = options
  let passes = 0
  const through = (take: (p: ReturnType<typeof page>) => Uint32Array): number[] => {
    passes += 1
    const places: number[] = []
    for (let i = 0; i < rows.length; i += pageSize) {
      places.push(...take(page(rows.slice(i, i + pageSize))))
    }
    return places
  }
  const from = packed ? largeFrom(volumes, template) : Number.POSITIVE_INFINITY
  const survey = new Survey(volumes, template, { trustAllocated: true, depth, largeFrom: from })
  if (packed || depth > 0) through((p) => survey.page(p))
  let surveyed = packed || depth > 0 ? survey.finish() : undefined
  let places: number[] = []
  const trial =
    (packs: boolean): Trial =>
    (order) => {
      const plan: PlanOptions =
        surveyed === undefined
          ? {}
          : {
              ...surveyed,
              ...(packs ? { promised: pack(order, template, surveyed, from, true) } : {}),
            }
      const fold = new PlanFold(order, template, plan)
      places = through((p) => fold.page(p))
      return Promise.resolve(fold.finish())
    }
  let summary = await fewestDrives(volumes, trial(false))
  if (summary.displaced > 0 && surveyed === undefined) {
    through((p) => survey.page(p))
    surveyed = survey.finish()
    summary = await fewestDrives(volumes, trial(false))
  }
  if (packed) {
    const plain = summary
    summary = await fewestDrives(volumes, trial(true))
    if (asksForFewer(plain, summary, volumes)) summary = await fewestDrives(volumes, trial(false))
  }
  return { places, summary, passes }
}
