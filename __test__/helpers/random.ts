/** A small seeded generator (sfc32), so that a random test can be run again from its printed seed. */

export class Random {
  #state: [number, number, number, number]

  constructor(readonly seed: number) {
    this.#state = [0x9e3779b9, 0x243f6a88, 0xb7e15162, seed >>> 0]
    for (let round = 0; round < 15; round++) this.#next()
  }

  /** A whole number from 0 up to, and without, `below`. */
  below(below: number): number {
    return Math.floor((this.#next() / 0x1_0000_0000) * below)
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.#next() / 0x1_0000_0000 < probability
  }

  pick<T>(from: readonly T[]): T {
    if (from.length === 0) throw new Error('nothing to pick from')
    return from[this.below(from.length)] as T
  }

  /** A size in bytes, log-normal: half are below `median`, few are far above; at most `limit`. */
  size(median: number, sigma: number, limit: number): number {
    const [first, second] = [(this.#next() + 1) / 0x1_0000_0001, this.#next() / 0x1_0000_0000]
    const normal = Math.sqrt(-2 * Math.log(first)) * Math.cos(2 * Math.PI * second)
    return Math.min(limit, Math.round(median * Math.exp(sigma * normal)))
  }

  bytes(length: number): Buffer {
    const words = new Uint32Array(Math.ceil(length / 4))
    for (let index = 0; index < words.length; index++) words[index] = this.#next()
    return Buffer.from(words.buffer, 0, length)
  }

  #next(): number {
    let [a, b, c, d] = this.#state
    const sum = (a + b + d) >>> 0
    d = (d + 1) >>> 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) >>> 0
    c = ((c << 21) | (c >>> 11)) >>> 0
    c = (c + sum) >>> 0
    this.#state = [a, b, c, d]
    return sum
  }
}

/** The seed to use: MVCOPY_SEED where it is set, else a new one. */
export function freshSeed(): number {
  const given = process.env.MVCOPY_SEED
  return given === undefined ? Math.floor(Math.random() * 0x1_0000_0000) : Number(given) >>> 0
}
