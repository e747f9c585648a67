/**
 * Real small drives for tests: loop-mounted file systems of every kind that matters, and tmpfs.
 *
 * Everything lies below the process's temporary directory and is unmounted, detached and removed by
 * `dispose`, or at the end of the process. Needs root; `rootTest` declares tests that use it.
 * The mount point stays when the drive is unmounted, empty, as on a real machine.
 */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { memoryDir, mountsBelow, sh, tempDir, undo } from './temp.js'

/** The file systems that drives come with. */
export type FileSystem = 'ext4' | 'xfs' | 'btrfs' | 'tmpfs' | 'exfat' | 'ntfs'

/** What kind of drive is wanted. */
export interface DriveOptions {
  /** Default ext4. */
  fs?: FileSystem
  /** Bytes of the device; default 64 MiB. What is usable is less, by what the file system takes. */
  size?: number
  /** Number of inodes, for ext4 and tmpfs only; default: the file system's own choice. */
  inodes?: number
  /** Whether what is written goes to the image at once, as it would to a device, where the image's file system can. */
  directIo?: boolean
}

/** A drive that can be pulled out and put back. */
export interface Drive {
  readonly fs: FileSystem
  /** Where it is mounted, or was last. */
  readonly path: string
  /** The loop device; 'tmpfs' for that one, which loses its files when it is unmounted. */
  readonly device: string
  readonly mounted: boolean
  /** Unmounts; `lazy` detaches it although files on it are open, as `umount -l` does. */
  unmount(options?: { lazy?: boolean }): void
  /** Mounts again, at the old path or another existing directory. */
  remount(options?: { path?: string; readOnly?: boolean }): void
  /** Bytes that are free for anybody. */
  free(): number
  dispose(): void
}

export const KiB = 1024
export const MiB = 1024 * KiB

/** The smallest device that each mkfs accepts, as tried with those of Debian 12. */
const smallest: Record<FileSystem, number> = {
  ext4: 1 * MiB,
  xfs: 32 * MiB,
  btrfs: 16 * MiB,
  tmpfs: 64 * KiB,
  exfat: 4 * MiB,
  ntfs: 2 * MiB,
}

/** Makes a file system of the kind and size asked for, and mounts it. */
export function makeDrive(options: DriveOptions = {}): Drive {
  const kind = options.fs ?? 'ext4'
  const size = options.size ?? 64 * MiB
  if (size < smallest[kind]) throw new Error(`${kind} needs at least ${smallest[kind]} bytes`)
  if (options.inodes !== undefined && kind !== 'ext4' && kind !== 'tmpfs') {
    throw new Error(`the number of inodes cannot be set for ${kind}`)
  }
  const home = tempDir(kind)
  let device = 'tmpfs'
  let image: string | undefined
  if (kind !== 'tmpfs') {
    // What is measured is a disk; what is tested is the file system on it.
    image = path.join(options.directIo === true ? home : memoryDir(kind), 'image')
    fs.closeSync(fs.openSync(image, 'w'))
    fs.truncateSync(image, size)
    device = attach(image, options.directIo === true)
  }
  const drive = new LoopDrive(kind, home, image, device, size, options.inodes)
  undo(() => drive.dispose())
  try {
    format(kind, device, options.inodes)
    drive.remount()
  } catch (error) {
    drive.dispose()
    throw error
  }
  return drive
}

/** Gives the image a loop device. */
function attach(image: string, directIo: boolean): string {
  if (directIo) {
    const tried = spawnSync('losetup', ['-f', '--show', '--direct-io=on', image], {
      encoding: 'utf8',
    })
    if (tried.status === 0) return tried.stdout.trim()
  }
  return sh('losetup', '-f', '--show', image).trim()
}

/** Without it the kernel goes on writing inode tables behind the back of a test. */
const lazy = 'lazy_itable_init=0,lazy_journal_init=0'

function format(kind: FileSystem, device: string, inodes: number | undefined): void {
  switch (kind) {
    case 'ext4':
      sh(
        'mkfs.ext4',
        '-q',
        '-F',
        '-m0',
        '-E',
        lazy,
        ...(inodes ? ['-N', String(inodes)] : []),
        device,
      )
      break
    case 'xfs':
      sh('mkfs.xfs', '-q', '-f', '--unsupported', device)
      break
    case 'btrfs':
      sh('mkfs.btrfs', '-q', '-f', '-M', device)
      break
    case 'exfat':
      sh('mkfs.exfat', device)
      break
    case 'ntfs':
      sh('mkntfs', '-q', '-F', '-f', device)
      break
    case 'tmpfs':
      break
  }
}

class LoopDrive implements Drive {
  readonly fs: FileSystem
  readonly #image: string | undefined
  readonly #size: number
  readonly #inodes: number | undefined
  #path: string
  #disposed = false

  constructor(
    kind: FileSystem,
    home: string,
    image: string | undefined,
    readonly device: string,
    size: number,
    inodes: number | undefined,
  ) {
    this.fs = kind
    this.#image = image
    this.#size = size
    this.#inodes = inodes
    this.#path = path.join(home, 'mnt')
    fs.mkdirSync(this.#path)
  }

  get path(): string {
    return this.#path
  }

  get mounted(): boolean {
    return mountsBelow(this.#path).includes(this.#path)
  }

  unmount({ lazy = false } = {}): void {
    // A run of another test that waits for a drive looks for a moment at whatever is mounted.
    for (let tries = 0; tries < 50 && !lazy; tries += 1) {
      const { status, stderr } = spawnSync('umount', [this.#path], { encoding: 'utf8' })
      if (status === 0) return
      if (!/busy/.test(stderr)) break
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    }
    sh('umount', ...(lazy ? ['-l'] : []), this.#path)
  }

  remount({ path: at = this.#path, readOnly = false } = {}): void {
    const options = [readOnly ? 'ro' : 'rw']
    this.#path = at
    switch (this.fs) {
      case 'tmpfs':
        options.push(`size=${this.#size}`)
        if (this.#inodes) options.push(`nr_inodes=${this.#inodes}`)
        sh('mount', '-t', 'tmpfs', '-o', options.join(), 'tmpfs', at)
        break
      case 'exfat':
        sh('mount.exfat-fuse', '-o', options.join(), this.device, at)
        break
      case 'ntfs':
        sh('ntfs-3g', '-o', options.join(), this.device, at)
        break
      default:
        sh('mount', '-t', this.fs, '-o', options.join(), this.device, at)
    }
  }

  free(): number {
    const facts = fs.statfsSync(this.#path)
    return facts.bavail * facts.bsize
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    // A reader that is about to let go must not leave the device behind for ever.
    if (this.mounted && spawnSync('umount', [this.#path]).status !== 0) this.unmount({ lazy: true })
    if (this.fs !== 'tmpfs') sh('losetup', '-d', this.device)
    if (this.#image !== undefined) fs.rmSync(this.#image, { force: true })
  }
}
