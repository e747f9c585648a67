/** Which names a file system cannot take as they are, for what a plan tells beforehand. It changes no placement. */
import { Flag } from './page.js'

/** Served by FUSE without a word about which: exFAT and NTFS. */
const WINDOWS = [
  'vfat',
  'msdos',
  'exfat',
  'ntfs',
  'ntfs3',
  'fuseblk',
  'fuse.exfat',
  'fuse.exfat-fuse',
  'fuse.ntfs',
  'fuse.ntfs-3g',
  'fuse.lowntfs-3g',
]

/**
 * The bits of `Flag` for names that stand under another one on a file system of this type: what Windows cannot
 * name, whatever the driver on Linux takes. What is found out about other file systems is found out by trying,
 * when the drive is opened.
 */
export function refusedNames(fsType: string): number {
  return WINDOWS.includes(fsType) ? Flag.oddCharacter | Flag.oddEnd | Flag.notText : 0
}
