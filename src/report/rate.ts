/**
 * How fast it goes and how long it will take, from progress snapshots. Pure but for its own samples,
 * of which it keeps a bounded number.
 *
 * A file costs time beside its bytes, so work is counted in bytes with some for each file; else a
 * stretch of small files would make the rest look endless.
 *
 * Flushes are part of the time: a slow stick takes everything at once and then spends most of the time in
 * them. So where there are flushes the rate is taken from the end of one to the end of another: whole
 * rounds, however uneven it goes inside of one.
 */
import type { Count, Progress } from './reporter.js'

/** What opening, naming and closing a file costs, as bytes of copying. */
const FILE_WORK = 64 * 1024
/** The stretch over which the rate is told, and the least that says anything. */
const WINDOW_MS = 15_000
const LEAST_MS = 1_000
/** The time left goes by half of what has passed, within these bounds. */
const LONGEST_MS = 300_000
/** Samples closer together than this are one; further back they are thinned out. */
const STEP_MS = 250
const MOST_SAMPLES = 400
/** Ends of flushes that are kept. */
const MOST_ROUNDS = 200

interface Sample {
  readonly at: number
  readonly bytes: number
  readonly files: number
  readonly work: number
}

/** What the rate meter says; `undefined` where nothing can be said yet. */
export interface Speed {
  readonly bytesPerSecond: number | undefined
  readonly secondsLeft: number | undefined
  /** Entries or files a second, for what has no bytes. */
  readonly filesPerSecond?: number | undefined
  /** The time left for the drive in hand. */
  readonly driveSecondsLeft?: number | undefined
}

export class RateMeter {
  #samples: Sample[] = []
  /** Snapshots at the ends of flushes, and at the beginning. */
  #rounds: Sample[] = []
  #flushing = false
  #kind = ''
  /** Work a second of earlier stretches, by kind: a drive change does not make the estimate go away. */
  readonly #before = new Map<string, number>()

  /** A stretch of work begins; what is known of earlier ones of this `kind` stands until more is known. */
  reset(kind = ''): void {
    const rate = this.#workPerSecond()
    if (rate !== undefined && rate > 0) this.#before.set(this.#kind, rate)
    this.#kind = kind
    this.#samples = []
    this.#rounds = []
    this.#flushing = false
  }

  /** One more snapshot, at `now` (ms). */
  add(now: number, progress: Progress): void {
    const bytes = progress.bytes.done
    const files = progress.files.done
    const sample = { at: now, bytes, files, work: bytes + files * FILE_WORK }
    const flushing = progress.flushing === true
    if (this.#rounds.length === 0 || (this.#flushing && !flushing)) this.#rounds.push(sample)
    if (this.#rounds.length > MOST_ROUNDS) this.#rounds.splice(1, 1)
    this.#flushing = flushing
    const previous = this.#samples.at(-2)
    if (previous !== undefined && now - previous.at < STEP_MS) this.#samples.pop()
    this.#samples.push(sample)
    while ((this.#samples[1]?.at ?? now) < now - LONGEST_MS) this.#samples.shift()
    if (this.#samples.length > MOST_SAMPLES) {
      // The older half keeps every second one.
      const half = MOST_SAMPLES / 2
      this.#samples = this.#samples.filter((_, i) => i >= half || i % 2 === 0)
    }
  }

  /** Bytes a second, flushes included. */
  bytesPerSecond(): number | undefined {
    return this.#perSecond((sample) => sample.bytes, WINDOW_MS)
  }

  /** Files (or entries) a second. */
  filesPerSecond(): number | undefined {
    return this.#perSecond((sample) => sample.files, WINDOW_MS)
  }

  /** Seconds until the totals are reached. */
  secondsLeft(progress: { readonly files: Count; readonly bytes: Count }): number | undefined {
    const { bytes, files } = progress
    const rate = this.#workPerSecond() ?? this.#before.get(this.#kind)
    if (bytes.total === undefined || rate === undefined || rate <= 0) return undefined
    const left = bytes.total - bytes.done + ((files.total ?? files.done) - files.done) * FILE_WORK
    const last = this.#samples.at(-1)
    const round = this.#wholeRounds(LONGEST_MS)?.last
    if (last === undefined || round === undefined) return Math.max(0, left) / rate
    // What was done since the last flush has still to be flushed: it counts from there.
    const since = last.work - round.work
    return Math.max(0, (Math.max(0, left) + since) / rate - (last.at - round.at) / 1000)
  }

  #workPerSecond(): number | undefined {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined) return undefined
    const half = (last.at - first.at) / 2
    return this.#perSecond((sample) => sample.work, Math.min(LONGEST_MS, Math.max(WINDOW_MS, half)))
  }

  /** By whole rounds where there are some, by the last `window` milliseconds else. */
  #perSecond(amount: (sample: Sample) => number, window: number): number | undefined {
    const last = this.#samples.at(-1)
    if (last === undefined) return undefined
    const from = this.#samples.find(({ at }) => at >= last.at - window)
    const plain = rate(from, last, amount)
    const round = this.#wholeRounds(window)
    const whole = round && rate(round.first, round.last, amount)
    if (round === undefined || whole === undefined) return plain
    // A flush that takes longer than those before makes it slower at once, not only when it is over.
    const upToNow = rate(round.first, last, amount)
    return upToNow === undefined ? whole : Math.min(whole, upToNow)
  }

  /** The last end of a flush and the one that lies `window` before it, or the first one. */
  #wholeRounds(window: number): { readonly first: Sample; readonly last: Sample } | undefined {
    const last = this.#rounds.at(-1)
    if (last === undefined || this.#rounds.length < 2) return undefined
    const first = this.#rounds.findLast((one) => one.at <= last.at - window) ?? this.#rounds[0]
    return first === undefined || first === last ? undefined : { first, last }
  }
}

function rate(
  first: Sample | undefined,
  last: Sample,
  amount: (sample: Sample) => number,
): number | undefined {
  if (first === undefined || last.at - first.at < LEAST_MS) return undefined
  return Math.max(0, ((amount(last) - amount(first)) / (last.at - first.at)) * 1000)
}
