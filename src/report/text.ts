/**
 * The reporter for people: sentences and events as lines on stderr, by verbosity, beside whatever
 * display of progress stands at the edge (live, a line now and then, none).
 */
import type { Writable } from 'node:stream'
import { safeLine } from '../display.js'
import { folded } from '../text.js'
import type { Clock } from './clock.js'
import type { Canvas } from './plan.js'
import { RateMeter, type Speed } from './rate.js'
import { eventLines, PHASE_TEXT, progressLine, wantedText } from './render.js'
import type { Phase, Progress, Reporter, RunEvent } from './reporter.js'
import type { LineSink, ObjectSink } from './sinks.js'
import { Steady, withoutPace } from './steady.js'
import type { Verbosity } from './talk.js'
import type { DisplayName, Line, Tone } from './words.js'

/** What is shown of progress, between the lines. */
export interface Display {
  start(phase: Phase): void
  update(phase: Phase, progress: Progress, speed: () => Speed): void
  /** Makes room for lines; the display comes back at its next update, unless `stop` was called. */
  clear(): void
  stop(): void
}

/** The display that shows nothing. */
export const noDisplay: Display = { start() {}, update() {}, clear() {}, stop() {} }

export interface TextReporterOptions {
  readonly stdout: Writable
  readonly stderr: Writable
  readonly verbosity: Verbosity
  readonly colors: boolean
  readonly clock: Clock
  readonly name: DisplayName
  readonly display: Display
  /** The terminal: what bars may be drawn with, where sentences are broken; absent where stderr is none. */
  readonly canvas?: () => Canvas
  /** What gets every event as an object. */
  readonly objects?: readonly ObjectSink[]
  /** What gets every sentence, also with `-q`, and progress now and then. */
  readonly log?: LineSink | undefined
}

/** Between two objects of progress, and between two lines of it in a log. */
const OBJECT_EVERY_MS = 1000
const LOG_EVERY_MS = 60_000

const PAINT: Readonly<Record<Tone, readonly [string, string]>> = {
  plain: ['', ''],
  strong: ['\u001b[1m', '\u001b[22m'],
  warning: ['\u001b[33m', '\u001b[39m'],
  error: ['\u001b[31m', '\u001b[39m'],
}

export class TextReporter implements Reporter {
  protected readonly options: TextReporterOptions
  protected readonly rate = new RateMeter()
  protected phase: Phase | undefined
  protected last: Progress | undefined
  readonly #steady = new Steady()
  #objectAt = Number.NEGATIVE_INFINITY
  #loggedAt: number
  #paused = false
  #ended = false
  /** The phase in hand and when it began, where it is one that a drive costs beside the copying. */
  #beside: { readonly phase: Phase; readonly from: number } | undefined
  #hasCopied = false

  constructor(options: TextReporterOptions) {
    this.options = options
    this.#loggedAt = options.clock.now()
  }

  phaseStart(phase: Phase): void {
    this.#leave()
    this.phase = phase
    const isMain = phase === 'copy' || phase === 'restore'
    this.#hasCopied ||= isMain
    if (!isMain && this.#hasCopied) this.#beside = { phase, from: this.options.clock.now() }
    this.last = undefined
    this.rate.reset(phase, this.options.clock.now())
    this.#objectAt = this.options.clock.now()
    if (!this.#paused && !this.#ended) this.options.display.start(phase)
  }

  phaseEnd(result?: string): void {
    this.#leave()
    this.phase = undefined
    if (result !== undefined) this.note(result)
  }

  progress(given: Progress): void {
    const { phase } = this
    const progress = phase === undefined ? given : this.#steady.show(phase, given)
    this.last = progress
    this.rate.add(this.options.clock.now(), progress)
    if (phase === undefined || this.#ended) return
    this.#tellSinks(phase, progress)
    if (!this.#paused) this.options.display.update(phase, progress, () => this.speed())
  }

  #tellSinks(phase: Phase, progress: Progress): void {
    const { clock, log, objects = [] } = this.options
    const now = clock.now()
    if (log !== undefined && now - this.#loggedAt >= LOG_EVERY_MS) {
      this.#loggedAt = now
      log.line(safeLine(progressLine(phase, progress, this.speed())))
    }
    if (now - this.#objectAt < OBJECT_EVERY_MS) return
    this.#objectAt = now
    const sinks = objects.filter((sink) => sink.progress)
    if (sinks.length === 0) return
    const { bytesPerSecond, secondsLeft } = this.speed()
    const value = {
      type: 'progress',
      phase,
      ...withoutPace(progress),
      bytesPerSecond,
      secondsLeft,
    }
    for (const sink of sinks) sink.write(value, true)
  }

  line(): void {
    if (this.last !== undefined) {
      this.say('plain', progressLine(this.phase ?? 'copy', this.last, this.speed()))
    } else {
      this.say('plain', this.phase === undefined ? 'waiting' : PHASE_TEXT[this.phase])
    }
  }

  event(event: RunEvent): void {
    const { name, canvas, verbosity, log } = this.options
    this.tellObjects(event)
    // At the terminal the question says it.
    if (event.type === 'volume-needed') log?.line(safeLine(wantedText(event, name)))
    const lines = eventLines(event, name, canvas?.())
    for (const line of lines) this.#tell(line, line.tone === 'error' || verbosity !== 'quiet')
  }

  /** The event for those that take objects. */
  protected tellObjects(event: RunEvent): void {
    for (const sink of this.options.objects ?? []) sink.write(event, false)
  }

  debug(text: string): void {
    if (this.options.verbosity === 'debug') this.#tell({ tone: 'plain', text }, true)
  }

  detail(text: string): void {
    if (this.options.verbosity === 'verbose' || this.options.verbosity === 'debug') {
      this.#tell({ tone: 'plain', text }, true)
    }
  }

  note(text: string): void {
    this.#tell({ tone: 'plain', text }, this.options.verbosity !== 'quiet')
  }

  warning(text: string): void {
    const line: Line = { tone: 'warning', text: `warning: ${text}` }
    this.#tell(line, this.options.verbosity !== 'quiet')
  }

  error(text: string): void {
    this.#tell({ tone: 'error', text: `error: ${text}` }, true)
  }

  block(lines: readonly string[]): void {
    for (const line of lines) this.note(line)
  }

  data(line: string): void {
    this.options.display.clear()
    this.options.stdout.write(`${safeLine(line)}\n`)
  }

  pause(): void {
    this.#paused = true
    // Whoever thinks about a question costs no drive time.
    this.#beside = undefined
    this.options.display.stop()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    // The time at the prompt is no working time.
    this.rate.reset(this.phase, this.options.clock.now())
    if (this.phase !== undefined && !this.#ended) this.options.display.start(this.phase)
  }

  end(): void {
    this.#leave()
    this.#ended = true
  }

  /** What the meter says now: of a run that stalls the rate falls, though no snapshot comes. */
  protected speed(): Speed {
    if (this.last !== undefined) this.rate.add(this.options.clock.now(), this.last)
    const volume = this.last?.volume
    return {
      bytesPerSecond: this.rate.bytesPerSecond(),
      filesPerSecond: this.rate.filesPerSecond(),
      secondsLeft: this.last === undefined ? undefined : this.rate.secondsLeft(this.last),
      driveSecondsLeft: volume === undefined ? undefined : this.rate.secondsLeft(volume),
    }
  }

  /** One line on stderr. The colours are ours; whatever else could act on the terminal is escaped. */
  protected say(tone: Tone, text: string): void {
    const { display, stderr, colors, canvas } = this.options
    display.clear()
    const [on, off] = colors ? PAINT[tone] : PAINT.plain
    const line = safeLine(text)
    stderr.write(`${on}${canvas === undefined ? line : folded(line, canvas().width)}${off}\n`)
  }

  /** One line for the log, and on stderr where it is `shown`. */
  #tell({ tone, text }: Line, shown: boolean): void {
    this.options.log?.line(safeLine(text))
    if (shown) this.say(tone, text)
  }

  #leave(): void {
    if (this.#beside !== undefined) {
      const { phase, from } = this.#beside
      this.rate.beside(phase, this.options.clock.now() - from)
      this.#beside = undefined
    }
    this.options.display.stop()
  }
}
