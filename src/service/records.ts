/**
 * Records of a fixed size, by number, in 32-bit words. They lie in chunks, and a larger table is one chunk more: only the last
 * is ever copied, as it grows from a few records to all that it takes, so that a million of them never make anybody wait.
 */

/**
 * Records of a whole chunk: of 64 bytes each, 1 MiB. With chunks of a quarter of it lookups in a million took 15 % longer, as
 * where they are takes place in the caches too.
 */
const CHUNK_BITS = 14
const CHUNK = 1 << CHUNK_BITS
/** With so many the first begins, and with so many each further one. */
const FIRST_RECORDS = 16
const NEXT_RECORDS = 512
/** Up to here a chunk doubles; then it grows by a quarter, so that little of it is empty. */
const DOUBLES_TO = 4096

/**
 * Where the first record begins. The C library puts sixteen bytes of its own before large blocks, which begin a page; so
 * records of 64 bytes are one line of the processor's cache each, and not halves of two.
 */
const ALIGNMENT_BYTES = 48

/** The number that no record has: the end of the list of those that are free. */
const NONE = -1

export class Records {
  readonly #wordBits: number
  readonly #words: Int32Array[] = []
  readonly #doubles: Float64Array[] = []
  #capacity = 0
  #used = 0
  /** Free ones below `#used`, each with the number of the next in its first word. */
  #free = NONE
  #freeCount = 0
  /** Means nothing: a use for what is only read, as the compiler leaves out what has none. */
  touched = 0

  /** Of 2^`wordBits` words each, two at least. */
  constructor(wordBits: number) {
    this.#wordBits = wordBits
    this.#beginChunk(FIRST_RECORDS)
  }

  /** Number of those in use. */
  get size(): number {
    return this.#used - this.#freeCount
  }

  /** All numbers in use are below this. */
  get limit(): number {
    return this.#used
  }

  get byteLength(): number {
    return this.#words.reduce((sum, { buffer }) => sum + buffer.byteLength, 0)
  }

  /** HOT. Where a record stands: from word `at(number)` on. Good until another one is taken. */
  chunk(number: number): Int32Array {
    return this.#words[number >>> CHUNK_BITS]!
  }

  at(number: number): number {
    return (number & (CHUNK - 1)) << this.#wordBits
  }

  /** The same memory in doubles: from `at(number) / 2` on. */
  doubles(number: number): Float64Array {
    return this.#doubles[number >>> CHUNK_BITS]!
  }

  /** HOT. Reads the first `count` of those `numbers` that are 0 or above, so that they are in a cache when they are wanted. */
  touch(numbers: Int32Array, count: number): void {
    const chunks = this.#words
    const wordBits = this.#wordBits
    let touched = 0
    for (let i = 0; i < count; i++) {
      const number = numbers[i]!
      if (number >= 0) touched ^= chunks[number >>> CHUNK_BITS]![(number & (CHUNK - 1)) << wordBits]!
    }
    this.touched = touched
  }

  /** The number of a record that nobody uses, all zeros. */
  take(): number {
    if (this.#free === NONE) {
      if (this.#used === this.#capacity) this.#grow()
      return this.#used++
    }
    const number = this.#free
    const chunk = this.chunk(number)
    this.#free = chunk[this.at(number)]!
    this.#freeCount--
    chunk[this.at(number)] = 0
    return number
  }

  release(number: number): void {
    const chunk = this.chunk(number)
    const at = this.at(number)
    chunk.fill(0, at, at + (1 << this.#wordBits))
    chunk[at] = this.#free
    this.#free = number
    this.#freeCount++
  }

  #grow(): void {
    const full = this.#words.at(-1)!
    const records = full.length >>> this.#wordBits
    if (records === CHUNK) return this.#beginChunk(NEXT_RECORDS)
    this.#words.pop()
    this.#doubles.pop()
    this.#beginChunk(Math.min(CHUNK, records + (records < DOUBLES_TO ? records : records >> 2)))
    this.#words.at(-1)!.set(full)
  }

  #beginChunk(records: number): void {
    const bytes = records << (this.#wordBits + 2)
    const buffer = new ArrayBuffer(ALIGNMENT_BYTES + bytes)
    this.#capacity = this.#words.length * CHUNK + records
    this.#words.push(new Int32Array(buffer, ALIGNMENT_BYTES, bytes / 4))
    this.#doubles.push(new Float64Array(buffer, ALIGNMENT_BYTES, bytes / 8))
  }
}
