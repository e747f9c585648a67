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

/** The copying onto one drive. */
export class Medium {
  readonly #written: WrittenCounter
  readonly #begin: number | undefined
  /** Bytes that the drive writes for a byte of content: blocks, directories, a journal. */
  #overhead: number
  /** What is on the drive by the last flush, and what the drive had written then. */
  #flushed: Copied = { bytes: 0, files: 0 }
  #at: number
  /** What was copied when the flush began that is under way. */
  #flushing: Copied | undefined

  /** `overhead`: what is expected; it is learned from the first flush on. */
  constructor(written: WrittenCounter, overhead: number) {
    this.#written = written
    this.#begin = written()
    this.#at = this.#begin ?? 0
    this.#overhead = Math.max(1, overhead)
  }

  /** Bytes that the drive writes for a byte of content. */
  get overhead(): number {
    return this.#overhead
  }

  /** How much of `copied` is on the drive; `undefined` where nobody counts that. */
  reached(copied: Copied, isFlushing: boolean): Copied | undefined {
    const written = this.#begin === undefined ? undefined : this.#written()
    if (written === undefined || this.#begin === undefined) return undefined
    if (isFlushing) this.#flushing ??= copied
    else if (this.#flushing !== undefined) {
      this.#flushed = this.#flushing
      this.#flushing = undefined
      this.#at = written
      const { bytes } = this.#flushed
      // Less than the content, where the file system compresses, clones or leaves holes out.
      if (bytes > 0) this.#overhead = Math.max(0.01, (written - this.#begin) / bytes)
    }
    const { bytes, files } = this.#flushed
    const since = Math.max(0, copied.bytes - bytes)
    const reached = Math.min(since, Math.max(0, written - this.#at) / this.#overhead)
    const share = since === 0 ? 1 : reached / since
    return { bytes: bytes + reached, files: files + (copied.files - files) * share }
  }
}
