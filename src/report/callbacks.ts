/**
 * The reporter for programs that call the library: whatever a run tells goes to functions of the caller.
 *
 * Nothing is printed. A function that throws ends the run as any other error does.
 */

import type { Phase, Progress, Reporter, RunEvent } from './reporter.js'
import { withoutPace } from './steady.js'

/** How a sentence is meant: as the command line tells it with `-vv`, with `-v`, as it is, or marked. */
export type MessageLevel = 'debug' | 'detail' | 'note' | 'warning' | 'error'

/** Where a run stands, and in which part it is. */
export interface ProgressUpdate extends Progress {
  readonly phase: Phase | undefined
}

/** The functions; each may be missing. */
export interface Callbacks {
  readonly onProgress?: ((progress: ProgressUpdate) => void) | undefined
  readonly onEvent?: ((event: RunEvent) => void) | undefined
  readonly onMessage?: ((text: string, level: MessageLevel) => void) | undefined
}

/** Hands everything on. */
export class CallbackReporter implements Reporter {
  readonly #to: Callbacks
  #phase: Phase | undefined

  constructor(to: Callbacks) {
    this.#to = to
  }

  phaseStart(phase: Phase): void {
    this.#phase = phase
  }

  phaseEnd(result?: string): void {
    this.#phase = undefined
    if (result !== undefined) this.note(result)
  }

  progress(progress: Progress): void {
    this.#to.onProgress?.({ phase: this.#phase, ...withoutPace(progress) })
  }

  event(event: RunEvent): void {
    this.#to.onEvent?.(event)
  }

  debug(text: string): void {
    this.#to.onMessage?.(text, 'debug')
  }

  detail(text: string): void {
    this.#to.onMessage?.(text, 'detail')
  }

  note(text: string): void {
    this.#to.onMessage?.(text, 'note')
  }

  warning(text: string): void {
    this.#to.onMessage?.(text, 'warning')
  }

  error(text: string): void {
    this.#to.onMessage?.(text, 'error')
  }

  block(lines: readonly string[]): void {
    for (const line of lines) this.note(line)
  }

  // What goes to stdout comes as events, too, and there is no display.
  data(): void {}
  line(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
}
