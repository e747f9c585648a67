/**
 * How large the parts are of a file that fits on no drive (`--split-large`).
 *
 * One size for all parts of all files of a run: an eighth of the smallest drive, so that a drive that turns out
 * smaller than was thought still takes some, and hardly more than that stays unused at the end of any. Pure.
 */
import { Ledger, type VolumeSpace } from './ledger.js'
import type { UnseenVolumes } from './page.js'
import { unseenSpace } from './unseen.js'

/** Parts of this size at most on file systems that have a largest file. */
const LARGEST = 2 ** 31
const SHARE = 8
const KIB = 1024

/**
 * Bytes of a part that fits on each of these drives when it is empty, and on new ones; 0: on none. `spaces`: those
 * that there are, with what they hold.
 */
export function partSize(spaces: readonly VolumeSpace[], unseen: UnseenVolumes): number {
  const fresh = Array.from({ length: Math.max(1, unseen.sizes.length) }, (_, k) =>
    unseenSpace(unseen, k + 1),
  )
  const ledgers = [...spaces.map(emptied), ...fresh].map((space) => new Ledger(space))
  const least = ledgers.reduce((least, { left }) => Math.min(least, left), Number.POSITIVE_INFINITY)
  const limited = ledgers.some(({ model }) => model.maxFile < Number.MAX_SAFE_INTEGER)
  const size = Math.min(least / SHARE, limited ? LARGEST : Number.POSITIVE_INFINITY)
  const step = size >= 16 * KIB ** 2 ? KIB ** 2 : size >= 256 * KIB ? 64 * KIB : 4 * KIB
  return Math.max(0, Math.floor(size / step) * step)
}

/** A drive as it would be without anything on it. */
function emptied(space: VolumeSpace): VolumeSpace {
  return { ...space, available: space.capacity, used: 0 }
}
