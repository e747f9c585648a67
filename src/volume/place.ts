/** Where a drive is: a mounted one as the addon takes it that reads what it says of itself, and a path that was typed. */

import path from 'node:path'
import type { LearnOptions } from '../native/adopt.js'
import type { FsName } from '../native/names.js'
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
    hasLinks: mayLink(facts),
  }
}

/** A serial number as FAT and exFAT have it; that of NTFS has 16 digits. */
const FAT_SERIAL = /^[0-9A-F]{4}-[0-9A-F]{4}$/

/** Whether hard links can be made on this file system, as far as that is known before it is tried. */
export function mayLink({ mount, fsUuid }: Pick<PathFacts, 'mount' | 'fsUuid'>): boolean {
  const fsType = mount?.fsType ?? ''
  // FUSE says `fuseblk` of exFAT and of NTFS.
  return !/fat|msdos/.test(fsType) && !(fsType === 'fuseblk' && FAT_SERIAL.test(fsUuid ?? ''))
}

/** A path that the user typed, against the working directory. */
export function typedPath(cwd: FsName, typed: string): FsName {
  return path.resolve(cwd, typed)
}
