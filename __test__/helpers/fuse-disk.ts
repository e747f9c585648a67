/**
 * Drives on a disk that a small FUSE program serves: it makes one file, `disk`, which a loop device stands on. Needs
 * root. What the disk does, and what file system is made on it, is the caller's.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sh, undo } from './temp.js'

/** A mounted drive on such a disk. */
export interface FuseDrive {
  readonly path: string
  /** Unmounts it and mounts it again, so that nothing of it is left in memory. */
  remount(): void
  end(): Promise<void>
}

/** What makes a disk. */
export interface FuseDisk {
  /** An empty directory of its own. */
  readonly top: string
  /** The Python program; its first argument is where it is to serve `disk`. */
  readonly script: string
  /** Its other arguments. */
  readonly args: readonly string[]
  /** Makes the file system before there is a loop device: past the disk, on what it keeps its bytes in. */
  readonly formatBehind?: () => void
  /** Makes the file system through the loop device. */
  readonly format?: (loop: string) => void
  /** Whatever has to be before it can be unmounted. */
  readonly beforeEnd?: () => void
}

/** Starts the program, makes the file system and mounts it. Rejects where the disk does not come up. */
export async function fuseDrive(disk: FuseDisk): Promise<FuseDrive> {
  const [at, mount] = [path.join(disk.top, 'fuse'), path.join(disk.top, 'mnt')]
  for (const directory of [at, mount]) fs.mkdirSync(directory)
  // Debian's own Python, which has Debian's packages.
  const child = spawn('/usr/bin/python3', [disk.script, at, ...disk.args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const gone = once(child, 'exit')
  const file = path.join(at, 'disk')
  while (!fs.existsSync(file)) {
    if (child.exitCode !== null) throw new Error('the disk did not come up')
    await sleep(20)
  }
  disk.formatBehind?.()
  const loop = sh('losetup', '-f', '--show', file).trim()
  disk.format?.(loop)
  sh('mount', loop, mount)
  let over = false
  const dispose = (): void => {
    if (over) return
    over = true
    disk.beforeEnd?.()
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
