/** Which names a file system refuses, for what a plan tells beforehand. It changes no placement. */
import { Flag } from './page.js'

/** A serial number such as NTFS has; those of FAT and exFAT are shorter. */
const NTFS_ID = /^[0-9a-f]{16}$/i

/**
 * The bits of `Flag` for names that a file system of this type does not take. Where the mount table says
 * `fuseblk` only, the form of the file system's id tells NTFS from exFAT; what cannot be told is taken as
 * the one that refuses more. Any other file system refuses nothing.
 */
export function refusedNames(fsType: string, fsUuid: string): number {
  switch (fsType) {
    case 'vfat':
    case 'msdos':
    case 'exfat':
      return Flag.oddCharacter | Flag.oddEnd | Flag.notText
    case 'fuse.exfat':
      return Flag.oddCharacter | Flag.notText
    case 'ntfs':
    case 'ntfs3':
    case 'fuse.ntfs':
    case 'fuse.ntfs-3g':
      return Flag.notText
    case 'fuseblk':
      return NTFS_ID.test(fsUuid) ? Flag.notText : Flag.oddCharacter | Flag.notText
    default:
      return 0
  }
}
