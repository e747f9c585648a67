/** The time left where files cost something, drives flush, change, and are read back: by a fake clock, at constant rates. */
import test, { type ExecutionContext } from 'ava'
import { expectedOverhead, Medium, type Overhead } from '../../src/copy/medium.js'
import { expectedPrice, filePrice } from '../../src/report/price.js'
import { RateMeter } from '../../src/report/rate.js'
import type { Progress } from '../../src/report/reporter.js'

const MB = 1e6

/** A drive of a constant rate: so many bytes a second, and bytes that it writes for each file besides. */
interface Device {
  readonly rate: number
  readonly perFile: number
  /** Bytes that it could write in the time that it needs for a file besides. */
  readonly seek?: number
}

/** How a run goes beside the drive. */
interface Manner {
  /** The kernel counts what the drive has written. */
  readonly counted: boolean
  /** Seconds that closing a drive takes, and each of the lists at the end. */
  readonly closing?: number
  readonly lists?: number
  /** Bytes of blocks for a file, by the plan, beside its content. */
  readonly blocks?: number
  /** Bytes a second that the memory of the computer takes. */
  readonly memory?: number
}

/** The longest time from one flush to the next. */
const EPOCH_S = 5
/** Bytes that are copied while a flush goes on. */
const AHEAD = 32 * MB

/**
 * A run onto drives, as the engine does it: files go into memory, every few seconds all is flushed. Tells what was said
 * of the time left, and what remained in truth.
 */
function copying(
  drives: readonly (readonly number[])[],
  { rate, perFile, seek = 0 }: Device,
  { counted, closing = 0, lists = 0, blocks = 1400, memory = 400 * MB }: Manner,
) {
  const meter = new RateMeter()
  const all = drives.flat()
  const total = { bytes: all.reduce((a, b) => a + b, 0), files: all.length }
  const said: { at: number; share: number; left: number | undefined }[] = []
  const before = { bytes: 0, files: 0 }
  let overhead: Overhead | undefined
  let now = 0
  for (const [n, files] of drives.entries()) {
    meter.reset('copy', now * 1000)
    const share = { bytes: files.reduce((a, b) => a + b, 0), files: files.length }
    let [copied, made, written, next, onDrive, credit, inHand] = [0, 0, 0, 0, 0, 0, 0]
    let [flushing, epoch, promised, flushFrom] = [false, now, 0, 0]
    const medium = new Medium(
      counted ? () => written + inHand : () => undefined,
      overhead ?? expectedOverhead(share.bytes + blocks * share.files, share),
    )
    while (made < share.files || flushing) {
      const step = 0.25
      now += step
      // While it is flushed a little more is taken, and written with it.
      const ahead = flushing ? Math.max(0, flushFrom + AHEAD - copied) : Number.POSITIVE_INFINITY
      if (ahead > 0) {
        for (let room = Math.min(ahead, memory * step); room > 0 && made < files.length; ) {
          const part = Math.min(room, (files[made] ?? 0) - next)
          room -= part
          next += part
          copied += part
          if (next >= (files[made] ?? 0)) [made, next] = [made + 1, 0]
        }
      }
      // File after file, in the order of the copy; of the one in hand only the time counts.
      for (credit += rate * step; onDrive < made; onDrive += 1) {
        const size = files[onDrive] ?? 0
        if (credit < size + perFile + seek) break
        credit -= size + perFile + seek
        written += size + perFile
      }
      // An idle drive saves nothing up.
      if (onDrive === made) credit = Math.min(credit, next)
      inHand = Math.min(credit, onDrive < made ? (files[onDrive] ?? 0) + perFile : next)
      const all = onDrive === made && inHand >= next
      if (flushing && all) [flushing, epoch, promised] = [false, now, made]
      else if (!flushing && (made === share.files || now - epoch >= EPOCH_S))
        [flushing, flushFrom] = [true, copied]
      const isOver = made === share.files && !flushing
      if (isOver) medium.finished(share)
      const reached = medium.reached({ bytes: copied, files: made }, flushing)
      const shown = reached ?? { bytes: copied, files: promised }
      const progress: Progress = {
        files: { done: before.files + promised, total: total.files },
        bytes: { done: before.bytes + shown.bytes, total: total.bytes },
        flushing,
        pace: {
          copied: { bytes: before.bytes + copied, files: before.files + made },
          reached: reached && {
            bytes: before.bytes + reached.bytes,
            files: before.files + reached.files,
          },
          before: before.bytes,
          closings: closing > 0 ? drives.length - n : 0,
          lists: lists > 0 ? drives.length - 1 : 0,
          perFile: medium.overhead.perFile,
        },
      }
      meter.add(now * 1000, progress)
      const done = progress.bytes.done / total.bytes
      said.push({ at: now, share: done, left: meter.secondsLeft(progress) })
    }
    overhead = medium.overhead
    before.bytes += share.bytes
    before.files += share.files
    now += closing
    meter.beside('close', closing * 1000)
  }
  return { said, end: now + lists * (drives.length - 1) }
}

/** The largest error from a fifth of the bytes on, as a share of what remained; a second off is nothing. */
function worst(t: ExecutionContext, run: ReturnType<typeof copying>, from = 0.2): number {
  const looked = run.said.filter(({ share, at }) => share >= from && at < run.end)
  t.true(looked.length > 20)
  return Math.max(
    ...looked.map(({ at, left }) => {
      const remained = run.end - at
      const off = Math.abs((left ?? Number.POSITIVE_INFINITY) - remained)
      return off <= 1 ? 0 : off / remained
    }),
  )
}

const large = (n: number) => new Array<number>(n).fill(10 * MB)
const small = (n: number) => new Array<number>(n).fill(33_000)
const inTurn = (n: number) =>
  new Array<number>(n).fill(0).map((_, i) => (i % 50 === 0 ? 8 * MB : 20_000))
// What ext4 was measured to write for a small file, the rest of its last block included.
const device = { rate: 10 * MB, perFile: 5400 }

const fast = { counted: true, memory: 800 * MB, closing: 0.8, lists: 0.5 }

for (const [name, drives, manner = { counted: true, closing: 0.5 }] of [
  ['large files on one drive', [large(100)]],
  ['large files on three drives', [large(40), large(40), large(40)]],
  ['small files on three drives', [small(12_000), small(15_000), small(9000)]],
  ['large and small files in turn', [inTurn(2500), inTurn(2500)]],
  // All of a drive is in memory before its first flush begins, and nobody looks when that has ended.
  ['small files, a flush for a drive', [small(12_000), small(12_000), small(9000)], fast],
  // A flush takes with it what is copied meanwhile.
  [
    'small files, some flushes for a drive',
    [small(12_000), small(12_000), small(9000)],
    { counted: true, memory: 30 * MB },
  ],
  ['large files, then small ones', [large(36), [...large(12), ...small(12_000)], small(12_000)]],
  [
    'large files, then small ones, a flush for a drive',
    [large(36), [...large(12), ...small(12_000)], small(12_000)],
    fast,
  ],
] as [string, number[][], Manner?][]) {
  test(`time left at a constant rate: ${name}`, (t) => {
    const run = copying(drives, device, manner)
    const off = worst(t, run)
    t.true(off <= 0.1, `wrong by ${(off * 100).toFixed(1)} %`)
    // What is shown of the drive never falls either.
    for (const [n, { share }] of run.said.entries()) t.true(share >= (run.said[n - 1]?.share ?? 0))
  })
}

test('what a drive writes for a file is learned, and taken over to the next one', (t) => {
  // Twice what is expected: wrong on the first drive, right on the others.
  const run = copying(
    [small(12_000), small(12_000), small(12_000)],
    { rate: 10 * MB, perFile: 8192 },
    { counted: true, memory: 800 * MB },
  )
  const off = worst(t, run, 0.34)
  t.true(off <= 0.1, `wrong by ${(off * 100).toFixed(1)} %`)
})

test('few large files tell nothing of what small ones cost', (t) => {
  let written = 0
  const medium = new Medium(() => written, { perByte: 1, perFile: 4000 })
  // 60 films, and what a file system writes for itself.
  written = 300 * MB + 700_000
  medium.finished({ bytes: 300 * MB, files: 60 })
  const { perByte, perFile } = medium.overhead
  t.true(perFile > 3500 && perFile < 5000, String(perFile))
  t.true(perByte > 1 && perByte < 1.01, String(perByte))
})

test('what is on the drive goes by the order in which it was copied, and less than its content may be written', (t) => {
  let written = 0
  const medium = new Medium(() => written, { perByte: 1, perFile: 4000 })
  // First a large file, then a thousand small ones.
  for (let mb = 0; mb <= 50; mb += 1) medium.reached({ bytes: mb * MB, files: 0 }, false)
  for (let n = 1; n <= 1000; n += 1) medium.reached({ bytes: 50 * MB + n * 6000, files: n }, false)
  const all = { bytes: 56 * MB, files: 1000 }
  written = 50 * MB
  const films = medium.reached(all, false)
  t.is(Math.round((films?.bytes ?? 0) / MB), 50)
  t.true((films?.files ?? 99) < 20)
  written = 55 * MB
  const half = medium.reached(all, true)
  t.is(Math.round((half?.bytes ?? 0) / MB), 53)
  t.is(Math.round((half?.files ?? 0) / 10), 50)
  // A file system that compresses.
  written = 30 * MB
  medium.finished(all)
  t.true(medium.overhead.perByte < 0.6)
})

test('time left where nobody counts what the drive has written: right once it was flushed', (t) => {
  const run = copying([large(60), large(60), large(60)], device, { counted: false })
  // Memory takes the first drive at once; from its flush on it is known what it costs.
  const off = worst(t, run, 0.34)
  t.true(off <= 0.1, `wrong by ${(off * 100).toFixed(1)} %`)
})

test('what a file costs is learned as soon as large and small ones have been met', (t) => {
  const run = copying(
    [[...large(40), ...small(10_000), ...large(40)]],
    { rate: 10 * MB, perFile: 5400, seek: 200_000 },
    { counted: true },
  )
  const last = run.said.filter(({ at }) => at > run.end - 30 && at < run.end - 5)
  for (const { at, left } of last) {
    t.true(Math.abs((left ?? 0) - (run.end - at)) < 4, `${left} of ${run.end - at}`)
  }
})

test('the price of a file', (t) => {
  const usual = 32 * 1024
  t.is(filePrice([], usual), usual)
  // Whatever it costs, of one mixture alone nothing can be told.
  const even = Array.from({ length: 9 }, () => ({ ms: 1000, bytes: 1e6, files: 50 }))
  t.is(filePrice(even, usual), usual)
  // Not even by what is lost in rounding.
  const rounded = even.map((step, n) => ({ ...step, bytes: step.bytes * (1 + n * 1e-15) }))
  t.is(filePrice(rounded, 3448), 3448)
  for (const price of [4096, 1 << 20]) {
    const steps = Array.from({ length: 9 }, (_, i) => {
      const [bytes, files] = [(i % 3) * 1e7 + 1e5, (i % 2) * 300]
      return { ms: (bytes + files * price) / 1e4, bytes, files }
    })
    t.is(filePrice(steps, usual), price)
  }
})

test('before any was met a file is expected to cost what a drive writes for it and a computer needs for it', (t) => {
  t.is(expectedPrice(8 * MB, 4000), 4000)
  // Of a fast drive much could be copied while a file is opened and named.
  t.is(expectedPrice(400 * MB, 4000), 100_000)
  t.is(expectedPrice(0, 0), 1024)
})

test('reading back, and closing drives, is part of the time left', (t) => {
  const meter = new RateMeter()
  meter.reset('copy')
  const at = (bytes: number, before: number, readBack: number, lists = 0): Progress => ({
    files: { done: 0, total: 0 },
    bytes: { done: bytes, total: 400 * MB },
    pace: { before, readBack, lists },
  })
  for (let s = 0; s <= 10; s += 1) meter.add(s * 1000, at(s * 10 * MB, 0, 400 * MB))
  // 300 MB to be copied at 10 MB/s, 400 MB to be read at the same rate, as far as is known.
  t.is(Math.round(meter.secondsLeft(at(100 * MB, 0, 400 * MB)) ?? 0), 70)
  meter.beside('verify', 5000)
  meter.beside('close', 1000)
  meter.reset('copy')
  // 6 seconds besides for each 100 MB, of which 300 are to come, and one list.
  t.is(Math.round(meter.secondsLeft(at(100 * MB, 100 * MB, 400 * MB, 1)) ?? 0), 30 + 18 + 1)
})
