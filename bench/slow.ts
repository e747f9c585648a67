/** Drives of a constant rate: an ext4 on a loop device on a file that a small FUSE program serves slowly. Needs root. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { sh, tempDir, undo } from '../__test__/helpers/temp.js'

const script = fileURLToPath(new URL('slow_disk.py', import.meta.url))

/** A mounted drive that takes and gives so many bytes a second. */
export interface SlowDrive {
  readonly path: string
  /** Unmounts it and mounts it again, so that nothing of it is left in memory. */
  remount(): void
  end(): Promise<void>
}

/** Makes one of `size` bytes; rates in bytes a second. */
export async function slowDrive(size: number, write: number, read: number): Promise<SlowDrive> {
  const top = tempDir('slow')
  const [at, mount] = [path.join(top, 'fuse'), path.join(top, 'mnt')]
  for (const directory of [at, mount]) fs.mkdirSync(directory)
  const image = path.join(top, 'image')
  const args = [script, at, String(size), String(write), String(read), image]
  // Debian's own Python, which has Debian's packages.
  const child = spawn('/usr/bin/python3', args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const gone = once(child, 'exit')
  const disk = path.join(at, 'disk')
  while (!fs.existsSync(disk)) {
    if (child.exitCode !== null) throw new Error('the disk did not come up')
    await sleep(20)
  }
  // Made before it is slow: the file system is written into the image itself.
  sh('mkfs.ext4', '-q', '-F', '-m0', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image)
  const loop = sh('losetup', '-f', '--show', disk).trim()
  sh('mount', loop, mount)
  let over = false
  const dispose = (): void => {
    if (over) return
    over = true
    sh('umount', mount)
    sh('losetup', '-d', loop)
    sh('fusermount3', '-u', '-z', at)
  }
  undo(dispose)
  return {
    path: mount,
    remount: () => {
      sh('umount', mount)
      sh('mount', loop, mount)
    },
    end: async () => {
      dispose()
      await gone
    },
  }
}
