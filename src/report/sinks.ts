/**
 * Where else a run's news goes: `--progress-fd` and `--log-file`.
 *
 * Neither ever holds a run up or ends it: a reader that is slow loses progress, one that has gone loses the
 * rest, and a log that cannot be written any more is given up with one warning.
 */
import {
  constants,
  createWriteStream,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  writeSync,
} from 'node:fs'
import type { Writable } from 'node:stream'
import { nameBytes } from '../bytes.js'
import { displayName, jsonLine } from '../display.js'
import { usageError } from '../errors.js'

/** Takes the objects of `--json`. */
export interface ObjectSink {
  /** Whether it wants progress. */
  readonly progress: boolean
  /** `lossy`: it may be left out where the reader is slow. */
  write(value: object, lossy: boolean): void
}

/** Takes sentences. */
export interface LineSink {
  line(text: string): void
}

/** Objects on a stream, one a line. `before` makes room for the line. */
export function streamSink(stream: Writable, progress: boolean, before: () => void): ObjectSink {
  return {
    progress,
    write: (value) => {
      before()
      stream.write(`${jsonLine(value)}\n`)
    },
  }
}

/** Bytes that may wait for a slow reader before progress is left out. */
const MOST_WAITING = 64 * 1024

/** Objects to a descriptor that the caller has opened. Throws a usage error where there is none. */
export function descriptorSink(fd: number): ObjectSink {
  checkDescriptor(fd)
  const stream = createWriteStream('', { fd, autoClose: false })
  let gone = false
  stream.on('error', () => {
    gone = true
  })
  return {
    progress: true,
    write: (value, lossy) => {
      if (gone || (lossy && stream.writableLength > MOST_WAITING)) return
      stream.write(`${jsonLine(value)}\n`)
    },
  }
}

/** It must be open, and not one that belongs to the runtime itself. */
function checkDescriptor(fd: number): void {
  const closed = usageError(
    `--progress-fd: descriptor ${fd} is not open for writing`,
    `A shell opens it with ${fd}>FILE or ${fd}> >(PROGRAM).`,
  )
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile() && !stat.isFIFO() && !stat.isSocket() && !stat.isCharacterDevice()) {
      throw closed
    }
    writeSync(fd, '')
  } catch {
    throw closed
  }
  // The runtime talks to itself through pipes of which it has both ends.
  if (hasReadingEnd(fd)) throw closed
}

/**
 * Whether this process has the reading end of the pipe, too. A writing end it may have twice: bash leaves the one open
 * from which it made `3> >(PROGRAM)`.
 */
function hasReadingEnd(fd: number): boolean {
  const target = linkOf(String(fd))
  if (!target.startsWith('pipe:')) return false
  try {
    const others = readdirSync('/proc/self/fd').filter((one) => Number(one) > 2)
    return others.some((one) => linkOf(one) === target && isReadable(one))
  } catch {
    return false
  }
}

/** The mode of the link tells what the descriptor was opened for: proc(5). */
function isReadable(fd: string): boolean {
  return (lstatSync(`/proc/self/fd/${fd}`).mode & constants.S_IRUSR) !== 0
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return ''
  }
}

/** A file to which is appended, line by line. */
export class LogFile implements LineSink, ObjectSink {
  readonly progress = true
  readonly #fd: number
  readonly #path: string
  readonly #complain: (text: string) => void
  readonly #time: () => Date
  #given = false

  /** Throws a usage error where it cannot be opened. `complain` tells once that it is given up. */
  constructor(path: string, complain: (text: string) => void, time = () => new Date()) {
    this.#path = path
    this.#complain = complain
    this.#time = time
    try {
      this.#fd = openSync(nameBytes(path), 'a')
    } catch (error) {
      throw usageError(
        `--log-file: ${displayName(path)} cannot be opened: ${(error as Error).message.split(',')[0]}`,
      )
    }
  }

  line(text: string): void {
    this.#append(`${this.#time().toISOString().slice(0, 19)}Z ${text}\n`)
  }

  write(value: object): void {
    this.#append(`${jsonLine(value)}\n`)
  }

  #append(text: string): void {
    if (this.#given) return
    try {
      writeSync(this.#fd, text)
    } catch (error) {
      this.#given = true
      const why = (error as Error).message.split(',')[0]
      this.#complain(`${displayName(this.#path)} cannot be written (${why}): no log from here on.`)
    }
  }
}
