/**
 * The reporter for people: sentences and events as lines on stderr, by verbosity, beside whatever
 * display of progress stands at the edge (live, a line now and then, none).
 */
import type { Writable } from 'node:stream'
import { safeLine } from '../display.js'
import type { Clock } from './clock.js'
import type { Canvas } from './plan.js'
import { RateMeter } from './rate.js'
import {
  type DisplayName,
  eventLines,
  PHASE_TEXT,
  progressLine,
  type Speed,
  type Tone,
} from './render.js'
import type { Phase, Progress, Reporter, RunEvent } from './reporter.js'
import type { Verbosity } from './talk.js'

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
  /** What bars may be drawn with; none where it is absent. */
  readonly canvas?: () => Canvas
}

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
  #paused = false
  #ended = false

  constructor(options: TextReporterOptions) {
    this.options = options
  }

  phaseStart(phase: Phase): void {
    this.#leave()
    this.phase = phase
    this.last = undefined
    this.rate.reset()
    if (!this.#paused && !this.#ended) this.options.display.start(phase)
  }

  phaseEnd(result?: string): void {
    this.#leave()
    this.phase = undefined
    if (result !== undefined) this.note(result)
  }

  progress(progress: Progress): void {
    this.last = progress
    this.rate.add(this.options.clock.now(), progress)
    if (this.phase === undefined || this.#paused || this.#ended) return
    this.options.display.update(this.phase, progress, () => this.speed())
  }

  line(): void {
    if (this.last !== undefined) {
      this.say('plain', progressLine(this.phase ?? 'copy', this.last, this.speed()))
    } else {
      this.say('plain', this.phase === undefined ? 'waiting' : PHASE_TEXT[this.phase])
    }
  }

  event(event: RunEvent): void {
    const { name, canvas } = this.options
    for (const { tone, text } of eventLines(event, name, canvas?.())) {
      if (tone === 'error' || this.options.verbosity !== 'quiet') this.say(tone, text)
    }
  }

  debug(text: string): void {
    if (this.options.verbosity === 'debug') this.say('plain', text)
  }

  detail(text: string): void {
    if (this.options.verbosity === 'verbose' || this.options.verbosity === 'debug') {
      this.say('plain', text)
    }
  }

  note(text: string): void {
    if (this.options.verbosity !== 'quiet') this.say('plain', text)
  }

  warning(text: string): void {
    if (this.options.verbosity !== 'quiet') this.say('warning', `warning: ${text}`)
  }

  error(text: string): void {
    this.say('error', `error: ${text}`)
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
    this.options.display.stop()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    // The time at the prompt is no working time.
    this.rate.reset()
    if (this.phase !== undefined && !this.#ended) this.options.display.start(this.phase)
  }

  end(): void {
    this.#leave()
    this.#ended = true
  }

  /** What the meter says now: of a run that stalls the rate falls, though no snapshot comes. */
  protected speed(): Speed {
    if (this.last !== undefined) this.rate.add(this.options.clock.now(), this.last)
    return {
      bytesPerSecond: this.rate.bytesPerSecond(),
      secondsLeft: this.last === undefined ? undefined : this.rate.secondsLeft(this.last),
    }
  }

  /** One line on stderr. The colours are ours; whatever else could act on the terminal is escaped. */
  protected say(tone: Tone, text: string): void {
    const { display, stderr, colors } = this.options
    display.clear()
    const [on, off] = colors ? PAINT[tone] : PAINT.plain
    stderr.write(`${on}${safeLine(text)}${off}\n`)
  }

  #leave(): void {
    this.options.display.stop()
  }
}
