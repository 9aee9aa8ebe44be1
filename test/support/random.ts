/** Seeded randomness for tests, and how a failure is replayed: `SERVAL_SEED=n npx vitest run <file>`. */

/** SERVAL_SEED, or a fresh one for each run. Name it in every failure, as `replay` does. */
export const testSeed: number = readSeed(process.env.SERVAL_SEED)

/** The sentence that a failure of a random test ends with. */
export function replay(file: string, seed: number = testSeed): string {
  return `replay: SERVAL_SEED=${seed} npx vitest run ${file}`
}

/** A small fast generator (mulberry32): equal seeds give equal sequences everywhere. Not for secrets. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** 0 <= x < 1. */
  fraction(): number {
    return this.uint32() / 2 ** 32
  }

  /** An integer, 0 .. limit - 1. */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit)
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }

  fill(target: Uint8Array, start = 0, end: number = target.length): Uint8Array {
    for (let i = start; i < end; i++) target[i] = this.uint32() >>> 24
    return target
  }

  /** Fits everywhere that cores ask for `randomBytes`. */
  readonly bytes = (count: number): Uint8Array => this.fill(new Uint8Array(count))
}

function readSeed(text: string | undefined): number {
  if (text === undefined) return Math.floor(Math.random() * 2 ** 32)
  if (!/^\d+$/.test(text)) throw new Error(`SERVAL_SEED must be a whole number, not "${text}"`)
  return Number(text)
}
