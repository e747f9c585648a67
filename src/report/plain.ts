/** Progress where there is no terminal: a line on stderr every ten seconds or so, never redrawn. */
import type { Writable } from 'node:stream'
import type { Clock } from './clock.js'
import type { Speed } from './rate.js'
import { progressLine } from './render.js'
import type { Phase, Progress } from './reporter.js'
import type { Display } from './text.js'

const EVERY_MS = 10_000

export class PlainDisplay implements Display {
  readonly #stderr: Writable
  readonly #clock: Clock
  #last: number

  constructor(stderr: Writable, clock: Clock) {
    this.#stderr = stderr
    this.#clock = clock
    this.#last = clock.now()
  }

  // The ten seconds run on across phases: many short ones give no more lines than a long one.
  start(): void {}

  update(phase: Phase, progress: Progress, speed: () => Speed): void {
    const now = this.#clock.now()
    if (now - this.#last < EVERY_MS) return
    this.#last = now
    this.#stderr.write(`${progressLine(phase, progress, speed())}\n`)
  }

  clear(): void {}

  stop(): void {}
}
