/** A clock that a test turns by hand, and streams that remember what was written. */
import { Writable } from 'node:stream'
import type { Clock } from '../../src/report/clock.js'

export class FakeClock implements Clock {
  #now = 0
  readonly #timers = new Set<{ readonly ms: number; readonly tick: () => void; next: number }>()

  now(): number {
    return this.#now
  }

  every(ms: number, tick: () => void): () => void {
    const timer = { ms, tick, next: this.#now + ms }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** How many timers are running. */
  get timers(): number {
    return this.#timers.size
  }

  /** Lets time pass, a millisecond at a time. */
  pass(ms: number): void {
    for (let i = 0; i < ms; i += 1) {
      this.#now += 1
      for (const timer of [...this.#timers]) {
        if (this.#timers.has(timer) && timer.next <= this.#now) {
          timer.next += timer.ms
          timer.tick()
        }
      }
    }
  }
}

export class FakeStream extends Writable {
  text = ''
  writes = 0
  columns = 80
  rows = 24
  readonly isTTY = true

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    this.writes += 1
    done()
  }

  /** What was written since the last call. */
  take(): string {
    const { text } = this
    this.text = ''
    return text
  }
}
