/** The time left where files cost something, drives flush, change, and are read back: by a fake clock, at constant rates. */
import test, { type ExecutionContext } from 'ava'
import { Medium } from '../../src/copy/medium.js'
import { filePrice } from '../../src/report/price.js'
import { RateMeter } from '../../src/report/rate.js'
import type { Progress } from '../../src/report/reporter.js'

const MB = 1e6

/** A drive of a constant rate: so many bytes a second, and bytes that it writes for each file besides. */
interface Device {
  readonly rate: number
  readonly perFile: number
}

/** What the memory of the computer takes a second. */
const MEMORY = 400 * MB
/** The longest time from one flush to the next. */
const EPOCH_S = 5

/**
 * A run onto drives, as the engine does it: files go into memory, every few seconds all is flushed. Tells what was said
 * of the time left, and what remained in truth.
 */
function copying(
  drives: readonly (readonly number[])[],
  { rate, perFile }: Device,
  { counted, closing = 0 }: { counted: boolean; closing?: number },
) {
  const meter = new RateMeter()
  const all = drives.flat()
  const total = { bytes: all.reduce((a, b) => a + b, 0), files: all.length }
  const said: { at: number; share: number; left: number | undefined }[] = []
  const before = { bytes: 0, files: 0 }
  let now = 0
  for (const files of drives) {
    meter.reset('copy', now * 1000)
    const share = { bytes: files.reduce((a, b) => a + b, 0), files: files.length }
    const overhead = 1 + (perFile * share.files) / share.bytes
    let [copied, made, written, next] = [0, 0, 0, 0]
    let [flushing, epoch, promised] = [false, now, 0]
    const medium = new Medium(counted ? () => written : () => undefined, overhead)
    while (made < share.files || flushing) {
      const step = 0.25
      now += step
      if (!flushing) {
        for (let room = MEMORY * step; room > 0 && made < files.length; ) {
          const part = Math.min(room, (files[made] ?? 0) - next)
          room -= part
          next += part
          copied += part
          if (next >= (files[made] ?? 0)) [made, next] = [made + 1, 0]
        }
      }
      written = Math.min(copied + made * perFile, written + rate * step)
      if (flushing && written >= copied + made * perFile)
        [flushing, epoch, promised] = [false, now, made]
      else if (made === share.files || now - epoch >= EPOCH_S) flushing = true
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
        },
      }
      meter.add(now * 1000, progress)
      const done = progress.bytes.done / total.bytes
      said.push({ at: now, share: done, left: meter.secondsLeft(progress) })
      if (made === share.files && !flushing) break
    }
    before.bytes += share.bytes
    before.files += share.files
    now += closing
    meter.beside('close', closing * 1000)
  }
  return { said, end: now }
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
const small = (n: number) => new Array<number>(n).fill(20_000)
const inTurn = (n: number) =>
  new Array<number>(n).fill(0).map((_, i) => (i % 50 === 0 ? 8 * MB : 20_000))
const device = { rate: 10 * MB, perFile: 8192 }

for (const [name, drives] of [
  ['large files on one drive', [large(100)]],
  ['large files on three drives', [large(40), large(40), large(40)]],
  ['small files on three drives', [small(12_000), small(15_000), small(9000)]],
  ['large and small files in turn', [inTurn(2500), inTurn(2500)]],
] as const) {
  test(`time left at a constant rate: ${name}`, (t) => {
    // Closing a drive takes a moment, of which nothing is known before the first was.
    const off = worst(t, copying(drives, device, { counted: true, closing: 0.5 }))
    t.true(off <= 0.1, `wrong by ${(off * 100).toFixed(1)} %`)
  })
}

test('time left where nobody counts what the drive has written: right once it was flushed', (t) => {
  const run = copying([large(60), large(60), large(60)], device, { counted: false })
  // Memory takes the first drive at once; from its flush on it is known what it costs.
  const off = worst(t, run, 0.34)
  t.true(off <= 0.1, `wrong by ${(off * 100).toFixed(1)} %`)
})

test('what a file costs is learned as soon as large and small ones have been met', (t) => {
  const run = copying(
    [[...large(40), ...small(10_000), ...large(40)]],
    { rate: 10 * MB, perFile: 200_000 },
    { counted: true },
  )
  const last = run.said.filter(({ at }) => at > run.end - 30 && at < run.end - 5)
  for (const { at, left } of last) {
    t.true(Math.abs((left ?? 0) - (run.end - at)) < 4, `${left} of ${run.end - at}`)
  }
})

test('the price of a file', (t) => {
  t.is(filePrice([]), 32 * 1024)
  // Whatever it costs, of one mixture alone nothing can be told.
  const even = Array.from({ length: 9 }, () => ({ ms: 1000, bytes: 1e6, files: 50 }))
  t.is(filePrice(even), 32 * 1024)
  for (const price of [4096, 1 << 20]) {
    const steps = Array.from({ length: 9 }, (_, i) => {
      const [bytes, files] = [(i % 3) * 1e7 + 1e5, (i % 2) * 300]
      return { ms: (bytes + files * price) / 1e4, bytes, files }
    })
    t.is(filePrice(steps), price)
  }
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
