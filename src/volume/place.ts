/** A mounted drive as the addon takes it that reads what the drive says of itself. */

import type { LearnOptions } from '../native/adopt.js'
import type { PathFacts } from '../native/volume.js'

/** The drive with these facts. */
export function placeOf(facts: PathFacts): LearnOptions {
  const fsType = facts.mount?.fsType ?? ''
  return {
    path: facts.path,
    ...(facts.mount === undefined ? {} : { mountId: facts.mount.id }),
    mount: facts.isMountPoint ? (facts.mount?.mountPoint ?? facts.path) : '',
    fsType,
    fsUuid: facts.fsUuid ?? '',
    capacity: facts.space?.total ?? 0,
    available: facts.space?.free ?? 0,
    blockSize: facts.space?.block ?? 4096,
    inodesFree: facts.space?.freeInodes ?? 0,
    hasLinks: !/fat|msdos/.test(fsType),
  }
}
