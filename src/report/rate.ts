/**
 * How fast it goes and how long it will take, from progress snapshots. Pure but for its own samples,
 * of which it keeps a bounded number.
 *
 * A file costs time beside its bytes, so work is counted in bytes with some for each file; else a
 * stretch of small files would make the rest look endless. How much a file costs is taken from what was seen.
 *
 * Flushes are part of the time: a slow stick takes everything at once and then spends most of the time in
 * them. Where it is known what has reached the drive, the rate goes by that. Elsewhere it is taken from the end of one
 * flush to the end of another: whole rounds, however uneven it goes inside of one.
 *
 * Each kind of work has samples of its own, which go on where they ended when it comes again: a drive change takes
 * no time, as far as they are concerned. What is done beside the copying at each drive (closing it, reading it back) is
 * counted by itself.
 */
import { expectedPrice, filePrice, type Step, type Work } from './price.js'
import type { Pace, Phase, Progress } from './reporter.js'

/** The stretch over which the rate is told, and the least that says anything. */
const WINDOW_MS = 15_000
const LEAST_MS = 1_000
/**
 * The time left goes by half of what has passed, within these bounds; after a drive change by a whole drive at least:
 * the beginning and the end of each are slow.
 */
const LONGEST_MS = 300_000
/** Samples closer together than this are one; further back they are thinned out. */
const STEP_MS = 250
const MOST_SAMPLES = 400
/** Ends of flushes that are kept. */
const MOST_ROUNDS = 200
/** What is compared to find out what a file costs takes at least so long. */
const PRICED_MS = 2_000
/** Bytes of lists that each drive gets for each file of the set, and that its own drive gets for it: catalog and page, manifest and checksums. */
const SET_LIST = 140
const DRIVE_LIST = 300

interface Sample {
  readonly at: number
  /** What was copied, into memory or further. */
  readonly copied: Work
  /** What has reached the drive, where that is known; else what was copied. */
  readonly reached: Work
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

/** What the time left is asked for: a whole run, or a drive. */
type Paced = Pick<Progress, 'files' | 'bytes' | 'pace'>

const NOTHING: Work = { bytes: 0, files: 0 }

/** The samples of one kind of work. Their time stands still while it rests. */
class Series {
  samples: Sample[] = []
  /** Samples at the ends of flushes, and at the beginning. */
  rounds: Sample[] = []
  flushing = false
  /** It is known what has reached the drive. */
  isPaced = false
  /** Milliseconds in which it rested. */
  #rested = 0
  #resting = false
  /** When the stretch in hand began, where that is known. */
  #began: number | undefined
  /** Where the stretch in hand begins, and the one before it. */
  stretch: Sample | undefined
  before: Sample | undefined

  rest(until?: number): void {
    this.#resting = true
    this.#began = until
    this.flushing = false
    this.before = this.stretch ?? this.before
    this.stretch = undefined
  }

  add(now: number, progress: Progress): void {
    const reached = reachedBy(progress)
    const copied = progress.pace?.copied ?? reached
    this.isPaced = progress.pace?.reached !== undefined
    const last = this.samples.at(-1)
    if (last !== undefined && copied.bytes < last.copied.bytes) {
      // It counts from nothing again.
      this.samples = []
      this.rounds = []
      this.before = undefined
    } else if (last !== undefined && this.#resting) {
      this.#rested = (this.#began ?? now) - last.at
    }
    this.#resting = false
    // By the first look memory has taken much already: it began with nothing.
    if (this.samples.length === 0 && this.#began !== undefined && progress.pace?.before === 0) {
      const start = { at: this.#began - this.#rested, copied: NOTHING, reached: NOTHING }
      this.samples.push(start)
      this.rounds.push(start)
    }
    const sample = { at: now - this.#rested, copied, reached }
    this.stretch ??= sample
    const flushing = progress.flushing === true
    if (this.rounds.length === 0 || (this.flushing && !flushing)) this.rounds.push(sample)
    if (this.rounds.length > MOST_ROUNDS) this.rounds.splice(1, 1)
    this.flushing = flushing
    this.#keep(sample)
  }

  #keep(sample: Sample): void {
    const previous = this.samples.at(-2)
    if (previous !== undefined && sample.at - previous.at < STEP_MS) this.samples.pop()
    this.samples.push(sample)
    while ((this.samples[1]?.at ?? sample.at) < sample.at - LONGEST_MS) this.samples.shift()
    if (this.samples.length > MOST_SAMPLES) {
      // The older half keeps every second one.
      const half = MOST_SAMPLES / 2
      this.samples = this.samples.filter((_, i) => i >= half || i % 2 === 0)
    }
  }

  /** The last end of a flush and the one that lies `window` before it, or the first one. */
  wholeRounds(window: number): { readonly first: Sample; readonly last: Sample } | undefined {
    const last = this.rounds.at(-1)
    if (this.isPaced || last === undefined || this.rounds.length < 2) return undefined
    const first = this.rounds.findLast((one) => one.at <= last.at - window) ?? this.rounds[0]
    return first === undefined || first === last ? undefined : { first, last }
  }

  /** What was done from one look to the next: round by round where it is uneven in between. */
  steps(): Step[] {
    const inRounds = !this.isPaced && (this.flushing || this.rounds.length > 1)
    const looks = inRounds ? this.rounds : this.samples
    const work = (sample: Sample) => (inRounds ? sample.copied : sample.reached)
    const steps: Step[] = []
    let from = looks[0]
    for (const to of looks) {
      if (from === undefined || to.at - from.at < PRICED_MS) continue
      const [before, after] = [work(from), work(to)]
      const [bytes, files] = [after.bytes - before.bytes, after.files - before.files]
      steps.push({ ms: to.at - from.at, bytes, files })
      from = to
    }
    return steps
  }
}

export class RateMeter {
  #series = new Series()
  readonly #kinds = new Map<string, Series>([['', this.#series]])
  /** Milliseconds of what is done beside the copying; of closing drives alone, and how many were. */
  #beside = 0
  #closing = 0
  #closed = 0

  /** A stretch of work begins, `now`; what is known of earlier ones of this `kind` stands. */
  reset(kind = '', now?: number): void {
    this.#series.rest()
    this.#series = this.#kinds.get(kind) ?? new Series()
    this.#kinds.set(kind, this.#series)
    this.#series.rest(now)
  }

  /** Something was done that a drive costs beside the copying, and took so long. */
  beside(phase: Phase, ms: number): void {
    this.#beside += ms
    if (phase !== 'close') return
    this.#closing += ms
    this.#closed += 1
  }

  /** One more snapshot, at `now` (ms). */
  add(now: number, progress: Progress): void {
    this.#series.add(now, progress)
  }

  /** Bytes a second, flushes included. */
  bytesPerSecond(): number | undefined {
    return this.#told((work) => work.bytes)
  }

  /** Files (or entries) a second. */
  filesPerSecond(): number | undefined {
    return this.#told((work) => work.files)
  }

  /** Seconds until the totals are reached. */
  secondsLeft({ files, bytes, pace = {} }: Paced): number | undefined {
    const price = this.#price(pace.perFile)
    const rate = this.#workPerSecond(price)
    if (bytes.total === undefined || rate === undefined || rate <= 0) return undefined
    const besides = this.#besides(bytes.total, files.total ?? 0, pace, rate)
    const work = ({ bytes: n, files: f }: Work) => n + f * price
    const all = bytes.total + (files.total ?? files.done) * price
    const last = this.#series.samples.at(-1)
    const round = this.#series.wholeRounds(LONGEST_MS)?.last
    if (last === undefined || round === undefined) {
      return Math.max(0, all - work(reachedBy({ files, bytes, pace }))) / rate + besides
    }
    const left = all - work(pace.copied ?? reachedBy({ files, bytes, pace }))
    // What was done since the last flush has still to be flushed: it counts from there.
    const since = work(last.copied) - work(round.copied)
    return Math.max(0, (Math.max(0, left) + since) / rate - (last.at - round.at) / 1000) + besides
  }

  #price(perFile: number | undefined): number {
    const { samples } = this.#series
    const last = samples.at(-1)
    const bytes = last === undefined ? 0 : rate(samples[0], last, (sample) => sample.reached.bytes)
    return filePrice(this.#series.steps(), expectedPrice(bytes ?? 0, perFile))
  }

  /** Seconds for what the drives that are not done with yet cost beside the copying. */
  #besides(total: number, files: number, pace: Pace, rate: number): number {
    const { before = 0, readBack = 0, lists = 0, closings = 0 } = pace
    if (before <= 0) {
      // Of the first one nothing is known but how much is to be read, and how long the lists are that are to be written.
      const listed = (closings + lists) * SET_LIST + (closings > 0 ? DRIVE_LIST : 0)
      return (readBack + listed * files) / rate
    }
    // By what it was for the drives before.
    const drives = (this.#beside / before) * (total - before)
    return (drives + lists * (this.#closing / Math.max(1, this.#closed))) / 1000
  }

  /** Over what is shown: the stretch in hand, and no more than the last moments of it. */
  #told(amount: (work: Work) => number): number | undefined {
    const { samples, stretch } = this.#series
    const last = samples.at(-1)
    if (last === undefined || stretch === undefined || last.at - stretch.at < LEAST_MS) {
      return undefined
    }
    return this.#perSecond(amount, WINDOW_MS)
  }

  #workPerSecond(price: number): number | undefined {
    const { samples, before } = this.#series
    const [first, last] = [samples[0], samples.at(-1)]
    if (first === undefined || last === undefined) return undefined
    const half = (last.at - first.at) / 2
    const cycle = before === undefined ? 0 : last.at - before.at
    const window = Math.min(LONGEST_MS, Math.max(WINDOW_MS, half, cycle))
    return this.#perSecond((work) => work.bytes + work.files * price, window)
  }

  /** By whole rounds where there are some, by the last `window` milliseconds else. */
  #perSecond(amount: (work: Work) => number, window: number): number | undefined {
    const { samples } = this.#series
    const last = samples.at(-1)
    if (last === undefined) return undefined
    const copied = (sample: Sample) => amount(sample.copied)
    const round = this.#series.wholeRounds(window)
    const whole = round && rate(round.first, round.last, copied)
    if (round === undefined || whole === undefined) {
      const from = samples.find(({ at }) => at >= last.at - window)
      return rate(from, last, (sample) => amount(sample.reached))
    }
    // A flush that takes longer than those before makes it slower at once, not only when it is over.
    const upToNow = rate(round.first, last, copied)
    return upToNow === undefined ? whole : Math.min(whole, upToNow)
  }
}

function reachedBy({ files, bytes, pace }: Paced): Work {
  return pace?.reached ?? { bytes: bytes.done, files: files.done }
}

function rate(
  first: Sample | undefined,
  last: Sample,
  amount: (sample: Sample) => number,
): number | undefined {
  if (first === undefined || last.at - first.at < LEAST_MS) return undefined
  return Math.max(0, ((amount(last) - amount(first)) / (last.at - first.at)) * 1000)
}
