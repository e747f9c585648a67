/**
 * The live display at a terminal: a few lines that are redrawn in place, on stderr.
 *
 * Starts 250 ms after its phase, so that what is quick stays silent, and draws at most ten times a
 * second. Once a second it is drawn anew even if nothing came, so that a stall is seen as one.
 */
import { createLogUpdate } from 'log-update'
import stringWidth from 'fast-string-width'
import type { Clock } from './clock.js'
import type { Speed } from './rate.js'
import { type DisplayName, type LiveCanvas, liveLines } from './render.js'
import type { Phase, Progress } from './reporter.js'
import type { Display } from './text.js'

/** A stream that may know its width, as a terminal does. */
export type TerminalStream = NodeJS.WritableStream & {
  readonly columns?: number
  readonly getWindowSize?: () => readonly [number, number]
}

const DELAY_MS = 250
const FRAME_MS = 100
const STALE_MS = 1000

/** One row up, and that row erased: how log-update erases, too. */
const ERASE_ROW_ABOVE = '\u001b[1A\u001b[2K'

export class LiveDisplay implements Display {
  readonly #stream: TerminalStream
  readonly #clock: Clock
  readonly #name: DisplayName
  readonly #canvas: () => LiveCanvas
  readonly #log: ReturnType<typeof createLogUpdate>
  #startedAt = 0
  #drawnAt = Number.NEGATIVE_INFINITY
  #dirty = false
  #shown: readonly string[] = []
  #shownWidth = 0
  #draw: ((canvas: LiveCanvas) => string[]) | undefined
  #stopTimer: (() => void) | undefined

  /** `canvas`: what may be drawn with now; asked at each frame, because a terminal changes its width. */
  constructor(stream: TerminalStream, clock: Clock, name: DisplayName, canvas: () => LiveCanvas) {
    this.#stream = stream
    this.#clock = clock
    this.#name = name
    this.#canvas = canvas
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
    this.#draw = (canvas) => liveLines(phase, progress, speed(), canvas, this.#name)
    this.#dirty = true
    this.#tick()
  }

  clear(): void {
    if (this.#shown.length === 0) return
    if (!this.#eraseFolded(this.#canvas().width)) this.#log.clear()
    this.#shown = []
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
    const canvas = this.#canvas()
    const folded = this.#shown.length > 0 && canvas.width < this.#shownWidth
    if (!folded && !this.#dirty && now - this.#drawnAt < STALE_MS) return
    if (folded) this.#eraseFolded(canvas.width)
    // One column is left free: a full line would make some terminals wrap.
    const lines = this.#draw({ ...canvas, width: Math.max(10, canvas.width - 1) })
    this.#log(lines.join('\n'))
    this.#drawnAt = now
    this.#dirty = false
    this.#shown = lines
    this.#shownWidth = canvas.width
  }

  /**
   * Erases lines that a terminal has folded because it became narrower since: log-update counts them as they were.
   * False where nothing was folded.
   */
  #eraseFolded(width: number): boolean {
    if (width >= this.#shownWidth) return false
    const rows = this.#shown.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(stringWidth(line) / Math.max(1, width))),
      0,
    )
    this.#stream.write(`\r${ERASE_ROW_ABOVE.repeat(rows)}`)
    // Forgets what it has drawn, and writes nothing.
    this.#log.done()
    return true
  }
}
