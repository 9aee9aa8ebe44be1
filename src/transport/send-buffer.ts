/**
 * What the program has written and the peer has not yet acknowledged, by offset in the stream. Large chunks
 * are kept by reference and copied once, by the kernel or into the batch that carries them; small ones are gathered
 * while they wait, so that a thousand tiny writes cost a few chunks.
 */
export class SendBuffer {
  /**
   * Chunk `i` holds the bytes from `#offsets[i]` to `#offsets[i + 1]`, the last one those up to `endOffset`.
   */
  readonly #chunks: (Uint8Array | undefined)[] = []
  readonly #offsets: number[] = []
  /** Chunks before this index are released. */
  #head = 0
  /** Where the last copy began: the next one is most often near. */
  #cursor = 0
  /** The last chunk is a slab of ours that has room after its bytes. */
  #gathering = false
  #startOffset: number
  #endOffset: number

  /** What is written first begins at `offset`. */
  constructor(offset = 0) {
    this.#startOffset = this.#endOffset = offset
  }

  /** Everything before has been released. */
  get startOffset(): number {
    return this.#startOffset
  }

  /** Bytes written since the stream began. */
  get endOffset(): number {
    return this.#endOffset
  }

  get bytes(): number {
    return this.#endOffset - this.#startOffset
  }

  /** A large chunk is kept, and must not change until it is acknowledged. */
  write(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    if (chunk.length > SMALL_BYTES || this.bytes === 0) {
      this.#append(chunk, false)
      this.#endOffset += chunk.length
      return
    }
    if (!this.#gathering || this.#slabRoom < chunk.length) this.#append(new Uint8Array(SLAB_BYTES), true)
    const slab = this.#chunks[this.#chunks.length - 1]!
    slab.set(chunk, SLAB_BYTES - this.#slabRoom)
    this.#endOffset += chunk.length
  }

  /** Copies the bytes `[from, from + length)`, all of which must be held, to `target[at...]`. */
  copyTo(from: number, length: number, target: Uint8Array, at: number): void {
    const to = from + length
    let index = this.#indexOf(from)
    this.#cursor = index
    while (from < to) {
      const chunk = this.#chunks[index]!
      const skip = from - this.#offsets[index]!
      const count = Math.min(to, this.#endOf(index)) - from
      // A view costs an allocation: one a chunk and batch, none if the chunk goes as it is.
      target.set(count === chunk.length ? chunk : chunk.subarray(skip, skip + count), at)
      from += count
      at += count
      index++
    }
  }

  /** Puts views of the bytes `[from, from + length)`, all of which must be held, into `pieces`. */
  viewsOf(from: number, length: number, pieces: Uint8Array[]): void {
    const to = from + length
    let index = this.#indexOf(from)
    this.#cursor = index
    pieces.length = 0
    while (from < to) {
      const skip = from - this.#offsets[index]!
      const count = Math.min(to, this.#endOf(index)) - from
      pieces.push(this.#chunks[index]!.subarray(skip, skip + count))
      from += count
      index++
    }
  }

  /** Lets go of everything before `offset`. */
  release(offset: number): void {
    this.#startOffset = offset
    while (this.#head < this.#chunks.length && this.#endOf(this.#head) <= offset) {
      this.#chunks[this.#head++] = undefined
    }
    if (this.#head === this.#chunks.length) this.#gathering = false
    if (this.#head > COMPACT_AT && this.#head * 2 > this.#chunks.length) this.#compact()
  }

  #append(chunk: Uint8Array, gathering: boolean): void {
    this.#chunks.push(chunk)
    this.#offsets.push(this.#endOffset)
    this.#gathering = gathering
  }

  get #slabRoom(): number {
    return SLAB_BYTES - (this.#endOffset - this.#offsets[this.#offsets.length - 1]!)
  }

  #endOf(index: number): number {
    return index + 1 < this.#offsets.length ? this.#offsets[index + 1]! : this.#endOffset
  }

  /** The chunk that holds `offset`. */
  #indexOf(offset: number): number {
    for (let index = Math.max(this.#cursor, this.#head), tries = 0; tries < 3; tries++, index++) {
      if (index >= this.#chunks.length || offset < this.#offsets[index]!) break
      if (offset < this.#endOf(index)) return index
    }
    let low = this.#head
    let high = this.#chunks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.#offsets[middle]! <= offset) low = middle
      else high = middle - 1
    }
    return low
  }

  #compact(): void {
    this.#chunks.splice(0, this.#head)
    this.#offsets.splice(0, this.#head)
    this.#cursor = Math.max(0, this.#cursor - this.#head)
    this.#head = 0
  }
}

/** Up to this size a copy is cheaper than a chunk of its own. */
const SMALL_BYTES = 1_024
const SLAB_BYTES = 4_096
const COMPACT_AT = 32
