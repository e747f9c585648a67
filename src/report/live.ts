/**
 * The live display at a terminal: a few lines that are redrawn in place, on stderr.
 *
 * Starts 250 ms after its phase, so that what is quick stays silent, and draws at most ten times a
 * second. Once a second it is drawn anew even if nothing came, so that a stall is seen as one.
 *
 * Between two frames the cursor stands on the first character of the display. A terminal that folds or unfolds its lines
 * because it changes its width takes the cursor along, so nobody has to know how many rows the old frame has become:
 * it is whatever stands from the cursor on.
 */
import type { Clock } from './clock.js'
import type { Speed } from './rate.js'
import { type LiveCanvas, liveLines } from './render.js'
import type { Phase, Progress } from './reporter.js'
import type { Display } from './text.js'
import type { DisplayName } from './words.js'

const DELAY_MS = 250
const FRAME_MS = 100
const STALE_MS = 1000

/**
 * Each row is erased as a whole before it is written: a terminal that had folded a line goes on taking the row and the
 * one below for one line otherwise, and joins them when it becomes wider. What is below goes from the second column on:
 * tmux takes an erasing from its first cell for `clear`, and keeps what was there in its history.
 */
const ERASE_ROW = '\u001b[2K'
const ERASE_BELOW = '\u001b[J'
const ERASE_ALL = `\r${ERASE_ROW}\u001b[C${ERASE_BELOW}\r`
/** Lines are not folded while they are drawn: where the terminal has just become narrower they are cut. */
const [CUT, FOLD] = ['\u001b[?7l', '\u001b[?7h']
const up = (rows: number): string => (rows === 0 ? '' : `\u001b[${rows}A`)

export class LiveDisplay implements Display {
  readonly #stream: NodeJS.WritableStream
  readonly #clock: Clock
  readonly #name: DisplayName
  readonly #canvas: () => LiveCanvas
  #startedAt = 0
  #drawnAt = Number.NEGATIVE_INFINITY
  #dirty = false
  #isShown = false
  #shownWidth = 0
  #draw: ((canvas: LiveCanvas) => string[]) | undefined
  #stopTimer: (() => void) | undefined

  /** `canvas`: what may be drawn with now; asked at each frame, because a terminal changes its width. */
  constructor(
    stream: NodeJS.WritableStream,
    clock: Clock,
    name: DisplayName,
    canvas: () => LiveCanvas,
  ) {
    this.#stream = stream
    this.#clock = clock
    this.#name = name
    this.#canvas = canvas
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
    if (!this.#isShown) return
    this.#stream.write(ERASE_ALL)
    this.#isShown = false
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
    const isResized = this.#isShown && canvas.width !== this.#shownWidth
    if (!isResized && !this.#dirty && now - this.#drawnAt < STALE_MS) return
    // One column is left free: a full line would make some terminals wrap.
    const lines = this.#draw({ ...canvas, width: Math.max(10, canvas.width - 1) })
    const rows = lines.map((line) => ERASE_ROW + line).join('\n')
    this.#stream.write(`\r${CUT}${rows}${ERASE_BELOW}${FOLD}\r${up(lines.length - 1)}`)
    this.#drawnAt = now
    this.#dirty = false
    this.#isShown = true
    this.#shownWidth = canvas.width
  }
}
