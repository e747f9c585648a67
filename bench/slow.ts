/** Drives of a constant rate: an ext4 on a loop device on a file that a small FUSE program serves slowly. Needs root. */

import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { type FuseDrive, fuseDrive } from '../__test__/helpers/fuse-disk.js'
import { sh, tempDir } from '../__test__/helpers/temp.js'

const script = fileURLToPath(new URL('slow_disk.py', import.meta.url))

/** Mounts one of `size` bytes; rates in bytes a second. */
export function slowDrive(size: number, write: number, read: number): Promise<FuseDrive> {
  const top = tempDir('slow')
  const image = path.join(top, 'image')
  return fuseDrive({
    top,
    script,
    args: [String(size), String(write), String(read), image],
    // Not through the disk, which is slow.
    formatBehind: () => {
      sh('mkfs.ext4', '-q', '-F', '-m0', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image)
    },
  })
}
