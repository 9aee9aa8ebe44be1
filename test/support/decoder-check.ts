/**
 * Checks that a decoder is total and keeps to its range: whatever `bytes` are, it yields a value or a
 * WireError, throws nothing, writes nothing, and does not depend on what lies around them.
 *
 * Each input stands twice, between two kinds of surroundings that differ in every byte; a decoder that reads
 * outside of its range sees different things.
 */
import { ServiceId } from '../../src/id/service-id.ts'
import { WireError } from '../../src/wire/wire-error.ts'

export type Decode = (buffer: Uint8Array, start: number, end: number) => unknown

export interface Decoder {
  readonly name: string
  readonly decode: Decode
}

export class DecoderCheck {
  readonly #decoders: readonly Decoder[]
  readonly #outcomes: readonly Map<string, number>[]
  readonly #one = ONE.slice()
  readonly #other = OTHER.slice()
  #lastEnd = START

  constructor(decoders: readonly Decoder[]) {
    this.#decoders = decoders
    this.#outcomes = decoders.map(() => new Map())
  }

  /** The first complaint about the decoders' work on `input[0, length)`, undefined if there is none. */
  run(input: Uint8Array, length: number): string | undefined {
    const end = START + length
    if (end + MARGIN > SIZE) throw new RangeError(`an input has at most ${SIZE - START - MARGIN} bytes`)
    const bytes = input.subarray(0, length)
    this.#one.set(bytes, START)
    this.#other.set(bytes, START)
    if (this.#lastEnd > end) {
      this.#one.set(ONE.subarray(end, this.#lastEnd), end)
      this.#other.set(OTHER.subarray(end, this.#lastEnd), end)
    }
    this.#lastEnd = end
    return this.#tryAll(end) ?? this.#written(bytes, end)
  }

  /** How many inputs ended so, the code of an error or `value`; of one decoder, or of all. */
  outcomes(code: string, decoder?: Decoder): number {
    const counted = this.#outcomes.filter((_, i) => decoder === undefined || decoder === this.#decoders[i])
    return counted.reduce((sum, outcomes) => sum + (outcomes.get(code) ?? 0), 0)
  }

  #tryAll(end: number): string | undefined {
    for (let i = 0; i < this.#decoders.length; i++) {
      const { name, decode } = this.#decoders[i]!
      let one: unknown
      let other: unknown
      try {
        one = decode(this.#one, START, end)
        other = decode(this.#other, START, end)
      } catch (error) {
        return `${name} throws ${error}`
      }
      if (!same(one, other)) return `${name} depends on what lies around its input`
      const code = one instanceof WireError ? one.code : 'value'
      const outcomes = this.#outcomes[i]!
      outcomes.set(code, (outcomes.get(code) ?? 0) + 1)
    }
    return undefined
  }

  #written(bytes: Uint8Array, end: number): string | undefined {
    const kept = Buffer.compare(this.#one.subarray(START, end), bytes) === 0
    return kept ? undefined : 'a decoder writes to its input'
  }
}

/** More than any length field can point beyond its input. */
const MARGIN = 1100
const START = 64
const SIZE = START + 4096 + MARGIN

/** Surroundings: no byte of the one is that byte of the other, and neither is constant. */
const ONE = Uint8Array.from({ length: SIZE }, (_, i) => i * 7 + 1)
const OTHER = Uint8Array.from({ length: SIZE }, (_, i) => i * 7 + 0x94)

/** Deep equality of plain data, classes with plain fields and byte arrays. */
function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  if (a instanceof ServiceId && b instanceof ServiceId) return a.equals(b)
  const [one, other] = [a as Record<string, unknown>, b as Record<string, unknown>]
  for (const key in one) if (!same(one[key], other[key])) return false
  return true
}
