/**
 * The reporter for programs: each event one JSON object on one line of stdout, names raw (undecodable
 * bytes as `\udcXX`). Sentences still go to stderr, for whoever reads along.
 *
 * Progress comes at most once a second.
 */
import { jsonLine } from '../display.js'
import type { Phase, Progress, RunEvent } from './reporter.js'
import { TextReporter, type TextReporterOptions } from './text.js'

const EVERY_MS = 1000

export class JsonReporter extends TextReporter {
  readonly #progress: boolean
  #sentAt = Number.NEGATIVE_INFINITY

  /** `progress`: whether progress objects are written. */
  constructor(options: TextReporterOptions, progress: boolean) {
    super(options)
    this.#progress = progress
  }

  override phaseStart(phase: Phase): void {
    super.phaseStart(phase)
    this.#sentAt = this.options.clock.now()
  }

  override progress(progress: Progress): void {
    super.progress(progress)
    const now = this.options.clock.now()
    if (!this.#progress || now - this.#sentAt < EVERY_MS) return
    this.#sentAt = now
    const { bytesPerSecond, secondsLeft } = this.speed()
    this.#write({ type: 'progress', phase: this.phase, ...progress, bytesPerSecond, secondsLeft })
  }

  override event(event: RunEvent): void {
    this.#write(event)
  }

  override data(): void {
    // stdout belongs to the objects: what a command has to say there comes as events.
  }

  #write(value: object): void {
    this.options.display.clear()
    this.options.stdout.write(`${jsonLine(value)}\n`)
  }
}
