/** Time as the reporters see it, so that a test can turn the hands. */

export interface Clock {
  /** Milliseconds from some fixed point; never goes back. */
  now(): number
  /** Calls `tick` about every `ms` until the returned function is called. Keeps no process alive. */
  every(ms: number, tick: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  every: (ms, tick) => {
    const timer = setInterval(tick, ms)
    timer.unref()
    return () => clearInterval(timer)
  },
}
