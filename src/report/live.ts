/**
 * The live display at a terminal: a few lines that are redrawn in place, on stderr.
 *
 * Starts 250 ms after its phase, so that what is quick stays silent, and draws at most ten times a
 * second. Once a second it is drawn anew even if nothing came, so that a stall is seen as one.
 */
import { createLogUpdate } from 'log-update'
import type { Clock } from './clock.js'
import { type DisplayName, liveLines, type Speed } from './render.js'
import type { Phase, Progress } from './reporter.js'
import type { Display } from './text.js'

/** A stream that may know its width, as a terminal does. */
export type TerminalStream = NodeJS.WritableStream & { readonly columns?: number }

const DELAY_MS = 250
const FRAME_MS = 100
const STALE_MS = 1000

export class LiveDisplay implements Display {
  readonly #stream: TerminalStream
  readonly #clock: Clock
  readonly #name: DisplayName
  readonly #log: ReturnType<typeof createLogUpdate>
  #startedAt = 0
  #drawnAt = Number.NEGATIVE_INFINITY
  #dirty = false
  #shown = false
  #draw: ((width: number) => string[]) | undefined
  #stopTimer: (() => void) | undefined

  constructor(stream: TerminalStream, clock: Clock, name: DisplayName) {
    this.#stream = stream
    this.#clock = clock
    this.#name = name
    // The cursor stays: a hidden one would have to be brought back however the program ends.
    this.#log = createLogUpdate(stream as never, { showCursor: true })
  }

  start(): void {
    this.stop()
    this.#startedAt = this.#clock.now()
    this.#drawnAt = Number.NEGATIVE_INFINITY
    this.#stopTimer = this.#clock.every(FRAME_MS, () => this.#tick())
  }

  update(phase: Phase, progress: Progress, speed: () => Speed): void {
    this.#draw = (width) => liveLines(phase, progress, speed(), width, this.#name)
    this.#dirty = true
    this.#tick()
  }

  clear(): void {
    if (!this.#shown) return
    this.#log.clear()
    this.#shown = false
    this.#dirty = true
  }

  stop(): void {
    this.#stopTimer?.()
    this.#stopTimer = undefined
    this.clear()
    this.#draw = undefined
    this.#dirty = false
  }

  #tick(): void {
    const now = this.#clock.now()
    if (this.#draw === undefined || this.#stopTimer === undefined) return
    if (now - this.#startedAt < DELAY_MS || now - this.#drawnAt < FRAME_MS) return
    if (!this.#dirty && now - this.#drawnAt < STALE_MS) return
    // One column is left free: a full line would make some terminals wrap.
    const width = Math.max(10, (this.#stream.columns ?? 80) - 1)
    this.#log(this.#draw(width).join('\n'))
    this.#drawnAt = now
    this.#dirty = false
    this.#shown = true
  }
}
