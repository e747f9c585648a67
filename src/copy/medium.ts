/**
 * How much of what was copied has reached the drive itself.
 *
 * A copy goes into memory first and from there to the drive, at the drive's own pace: a slow stick takes everything in
 * a second and then flushes for minutes. Where the drive is a block device the kernel counts what it has written, so
 * what is told can go by that. It is for the eye: what is durable is known by the flushes alone.
 */

import { readFileSync, realpathSync } from 'node:fs'
import path from 'node:path'
import type { FsName } from '../native/names.js'

const SECTOR = 512

/** Bytes and files of a copy. */
export interface Copied {
  readonly bytes: number
  readonly files: number
}

/** What a block device has written since it was there, in bytes; `undefined` where nobody counts that. */
export type WrittenCounter = () => number | undefined

/** The counter of what is mounted from `source`; for what is no block device it has nothing to say. */
export function writtenCounter(source: FsName | undefined): WrittenCounter {
  if (source?.startsWith('/dev/') !== true) return () => undefined
  let file: string
  try {
    file = `/sys/class/block/${path.basename(realpathSync(source))}/stat`
  } catch {
    return () => undefined
  }
  return () => {
    try {
      // The seventh number: sectors written.
      const sectors = Number(readFileSync(file, 'latin1').trim().split(/\s+/)[6])
      return Number.isFinite(sectors) ? sectors * SECTOR : undefined
    } catch {
      return undefined
    }
  }
}

/** What a drive writes for what is copied onto it. */
export interface Overhead {
  /** Bytes for a byte of content: less than 1 where the file system compresses, clones or leaves holes out. */
  readonly perByte: number
  /** Bytes for a file besides: the rest of its last block, its name, its inode, the journal. */
  readonly perFile: number
}

/** The most that is put down to a file; a file system for which it is more writes it for the bytes. */
const MOST_PER_FILE = 16 * 1024
/** What was expected counts as much as so many files: the few large ones of a drive tell nothing of small ones. */
const DOUBTED_FILES = 3000
/** Looks at a copy that are kept from one flush to the next; more of them are thinned out. */
const MOST_LOOKS = 400

/**
 * What is expected of a drive where nothing is known but the plan: `cost` bytes of blocks for so much, and twice its
 * metadata, once in the journal. Measured, beyond whole blocks: 1 to 3 kB a file on ext4, XFS and Btrfs.
 */
export function expectedOverhead(cost: number, { bytes, files }: Copied): Overhead {
  const blocks = Math.max(0, cost - bytes) / Math.max(1, files)
  return { perByte: 1, perFile: Math.min(MOST_PER_FILE, blocks + 2 * 1024) }
}

/** The copying onto one drive. */
export class Medium {
  readonly #written: WrittenCounter
  readonly #begin: number | undefined
  readonly #expected: Overhead
  #overhead: Overhead
  /** What was on the drive when the last flush had ended, and what the drive had written then. */
  #base: Copied = { bytes: 0, files: 0 }
  #at: number
  /** What was copied when the flush began that is under way. */
  #flushing: Copied | undefined
  /** What was copied since, look by look. */
  #looks: Copied[] = []

  /** `expected`: learned anew from the first flush on. */
  constructor(written: WrittenCounter, expected: Overhead) {
    this.#written = written
    this.#begin = written()
    this.#at = this.#begin ?? 0
    this.#expected = expected
    this.#overhead = expected
  }

  /** By what was seen, and by what was expected as long as that says little. */
  get overhead(): Overhead {
    return this.#overhead
  }

  /** How much of `copied` is on the drive; `undefined` where nobody counts that. */
  reached(copied: Copied, isFlushing: boolean): Copied | undefined {
    const written = this.#begin === undefined ? undefined : this.#written()
    if (written === undefined) return undefined
    this.#look(copied)
    if (isFlushing) this.#flushing ??= copied
    else if (this.#flushing !== undefined) this.#flushed(this.#flushing, copied, written)
    return this.#upTo(Math.max(0, written - this.#at))
  }

  /** All that was `copied` has been flushed, and nothing more comes. */
  finished(copied: Copied): void {
    const written = this.#begin === undefined ? undefined : this.#written()
    if (written !== undefined) this.#flushed(copied, copied, written)
  }

  /**
   * A flush of `least` has ended. What was copied meanwhile may have been written with it, so the drive has something
   * between that and all that was `copied`: where it seems to have less or more a file costs otherwise than was thought.
   */
  #flushed(least: Copied, copied: Copied, written: number): void {
    const upTo = this.#upTo(Math.max(0, written - this.#at))
    const base = upTo.bytes <= least.bytes ? least : upTo.bytes >= copied.bytes ? copied : upTo
    if (base !== upTo) this.#learn(base, written - (this.#begin ?? 0))
    this.#base = base
    this.#at = written
    this.#flushing = undefined
    this.#looks = this.#looks.filter(({ bytes, files }) => bytes > base.bytes || files > base.files)
  }

  #learn({ bytes, files }: Copied, written: number): void {
    if (bytes <= 0) return
    const besides = written - bytes + DOUBTED_FILES * this.#expected.perFile
    const perFile = Math.min(MOST_PER_FILE, Math.max(0, besides / (files + DOUBTED_FILES)))
    this.#overhead = { perByte: Math.max(0.01, (written - perFile * files) / bytes), perFile }
  }

  #look(copied: Copied): void {
    const last = this.#looks.at(-1) ?? this.#base
    if (copied.bytes <= last.bytes && copied.files <= last.files) return
    this.#looks.push(copied)
    // Every second one goes, and the last one stays.
    if (this.#looks.length > MOST_LOOKS) {
      this.#looks = this.#looks.filter((_, n, { length }) => (length - n) % 2 === 1)
    }
  }

  /** How far a drive is that has written so much since the last flush: about in the order in which it was copied. */
  #upTo(written: number): Copied {
    const { perByte, perFile } = this.#overhead
    let from = this.#base
    let left = written
    for (const to of this.#looks) {
      const [bytes, files] = [to.bytes - from.bytes, to.files - from.files]
      const cost = bytes * perByte + files * perFile
      if (cost > left) {
        const share = left / cost
        return { bytes: from.bytes + bytes * share, files: from.files + files * share }
      }
      left -= cost
      from = to
    }
    return from
  }
}
