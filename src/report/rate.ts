/**
 * How fast it goes and how long it will take, from progress snapshots. Pure but for its own samples,
 * of which it keeps a bounded number.
 *
 * A file costs time beside its bytes, so work is counted in bytes with some for each file; else a
 * stretch of small files would make the rest look endless.
 */
import type { Progress } from './reporter.js'

/** What opening, naming and closing a file costs, as bytes of copying. */
const FILE_WORK = 64 * 1024
/** The stretch over which the rate is taken, and the least that says anything. */
const WINDOW_MS = 15_000
const LEAST_MS = 1_000
/** Samples closer together than this are one. */
const STEP_MS = 250

interface Sample {
  readonly at: number
  readonly bytes: number
  readonly work: number
}

export class RateMeter {
  #samples: Sample[] = []

  reset(): void {
    this.#samples = []
  }

  /** One more snapshot, at `now` (ms). */
  add(now: number, progress: Progress): void {
    const bytes = progress.bytes.done
    const sample = { at: now, bytes, work: bytes + progress.files.done * FILE_WORK }
    const previous = this.#samples.at(-2)
    if (previous !== undefined && now - previous.at < STEP_MS) this.#samples.pop()
    this.#samples.push(sample)
    while ((this.#samples[1]?.at ?? now) < now - WINDOW_MS) this.#samples.shift()
  }

  /** Bytes a second, `undefined` while nothing can be said. */
  bytesPerSecond(): number | undefined {
    return this.#perSecond((sample) => sample.bytes)
  }

  /** Seconds until the totals are reached, `undefined` while nothing can be said. */
  secondsLeft(progress: Progress): number | undefined {
    const { bytes, files } = progress
    const rate = this.#perSecond((sample) => sample.work)
    if (bytes.total === undefined || rate === undefined || rate <= 0) return undefined
    const left = bytes.total - bytes.done + ((files.total ?? files.done) - files.done) * FILE_WORK
    return Math.max(0, left) / rate
  }

  #perSecond(amount: (sample: Sample) => number): number | undefined {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || last.at - first.at < LEAST_MS) return undefined
    return Math.max(0, ((amount(last) - amount(first)) / (last.at - first.at)) * 1000)
  }
}
