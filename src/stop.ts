/**
 * The stop signal: one object that says whether the user wants the run to end, and how soon.
 *
 * It knows nothing of signals and processes: `program.ts` (or a test) calls `request()`. The levels only
 * ever rise. Listeners are called once for each level, at once if the level has been reached already.
 */

/** 0: go on. 1: finish or drop the current file, save, end. 2: end now. */
export type StopLevel = 0 | 1 | 2

/** What a run looks at (and may ask for itself). */
export interface StopSignal {
  readonly level: StopLevel
  /** True from level 1 on. */
  readonly requested: boolean
  /** Aborted at level 1: for everything that understands an AbortSignal. */
  readonly orderly: AbortSignal
  /** Aborted at level 2. */
  readonly immediate: AbortSignal
  /** Calls `listener` with 1 and then with 2 as they come; returns the function that takes it back. */
  onStop(listener: (level: 1 | 2) => void): () => void
  /** One more wish to stop, as a signal makes it: the first orderly, the second immediate. */
  request(): StopLevel
}

/** The one kind of stop signal. */
export class StopController implements StopSignal {
  #level: StopLevel = 0
  readonly #orderly = new AbortController()
  readonly #immediate = new AbortController()
  readonly #listeners = new Set<(level: 1 | 2) => void>()

  get level(): StopLevel {
    return this.#level
  }

  get requested(): boolean {
    return this.#level > 0
  }

  get orderly(): AbortSignal {
    return this.#orderly.signal
  }

  get immediate(): AbortSignal {
    return this.#immediate.signal
  }

  onStop(listener: (level: 1 | 2) => void): () => void {
    // Each registration is its own entry, so that the same function may be registered twice.
    const own = (level: 1 | 2): void => listener(level)
    this.#listeners.add(own)
    if (this.#level >= 1) own(1)
    if (this.#level >= 2) own(2)
    return () => {
      this.#listeners.delete(own)
    }
  }

  request(): StopLevel {
    if (this.#level === 2) return 2
    const level = this.#level === 0 ? 1 : 2
    this.#level = level
    if (level === 1) this.#orderly.abort()
    else this.#immediate.abort()
    for (const listener of [...this.#listeners]) listener(level)
    return level
  }
}
