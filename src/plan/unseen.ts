/** A drive that nobody has seen yet, as a volume of the plan. */
import type { VolumeSpace } from './ledger.js'
import type { UnseenVolumes } from './page.js'

/** What is assumed of the new drive of this number. */
export function unseenSpace(unseen: UnseenVolumes, number: number): VolumeSpace {
  const { sizes, capacity, blockSize, fsType, hasLinks, reserve, refuses } = unseen
  const size = sizes.length === 0 ? capacity : (sizes[Math.min(number, sizes.length) - 1] as number)
  return {
    number,
    capacity: size,
    available: size,
    blockSize,
    inodesFree: 0,
    fsType,
    // A size that the user gave is what may be used; the reserve is of the drive behind it.
    reserve: sizes.length === 0 ? reserve : 0,
    hasLinks,
    known: false,
    ...(refuses === undefined ? {} : { refuses }),
  }
}
