/**
 * What the program has written and the peer has not yet acknowledged, by offset in the stream. It is copied when it is
 * written: the program may use its memory for something else as soon as it has been told that the write is done, as with
 * a kernel. What is written bit by bit lies together, so that a thousand tiny writes cost a few runs.
 *
 *   slabs (slabs.ts)    | others' | run 0 |      | run 1 .......... | room |
 *   offsets in the stream         0       150    150                40,000
 */
import { giveLargeSlab, LARGE_SLAB_BYTES, LARGE_WRITE_BYTES, shared, takeLargeSlab } from './slabs.ts'

export class SendBuffer {
  /** Run `i` holds the bytes from `#offsets[i]` to `#offsets[i + 1]`, the last one those up to `endOffset`. */
  readonly #slabs: (Uint8Array | undefined)[] = []
  /** Where in its slab a run begins. */
  readonly #starts: number[] = []
  readonly #offsets: number[] = []
  /** Runs before this index are released. */
  #head = 0
  /** Where the last copy began: the next one is most often near. */
  #cursor = 0
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

  write(chunk: Uint8Array): void {
    let from = 0
    while (from < chunk.length) {
      const left = chunk.length - from
      const room = this.#roomFor(left)
      const to = from + Math.min(left, room)
      const last = this.#slabs.length - 1
      const slab = this.#slabs[last]!
      const at = this.#starts[last]! + this.#endOffset - this.#offsets[last]!
      slab.set(to - from === chunk.length ? chunk : chunk.subarray(from, to), at)
      if (slab === shared.slab) shared.used += to - from
      this.#endOffset += to - from
      from = to
    }
  }

  /** Copies the bytes `[from, from + length)`, all of which must be held, to `target[at...]`. */
  copyTo(from: number, length: number, target: Uint8Array, at: number): void {
    const to = from + length
    let index = this.#indexOf(from)
    this.#cursor = index
    while (from < to) {
      const end = Math.min(to, this.#endOf(index))
      target.set(this.#view(index++, from, end), at)
      at += end - from
      from = end
    }
  }

  /** Puts views of the bytes `[from, from + length)`, all of which must be held, into `pieces`. */
  viewsOf(from: number, length: number, pieces: Uint8Array[]): void {
    const to = from + length
    let index = this.#indexOf(from)
    this.#cursor = index
    pieces.length = 0
    while (from < to) {
      const end = Math.min(to, this.#endOf(index))
      pieces.push(this.#view(index++, from, end))
      from = end
    }
  }

  /** Lets go of everything before `offset`, of which nobody may hold a view any more. */
  release(offset: number): void {
    this.#startOffset = offset
    while (this.#head < this.#slabs.length && this.#endOf(this.#head) <= offset) {
      const slab = this.#slabs[this.#head]!
      if (slab.length === LARGE_SLAB_BYTES) giveLargeSlab(slab)
      this.#slabs[this.#head++] = undefined
    }
    if (this.#head > COMPACT_AT && this.#head * 2 > this.#slabs.length) this.#compact()
  }

  /** Room for some of `bytes` in the last run, or in a new one. */
  #roomFor(bytes: number): number {
    const last = this.#slabs.length - 1
    const slab = this.#slabs[last]
    if (slab !== undefined) {
      const end = this.#starts[last]! + this.#endOffset - this.#offsets[last]!
      const isOpen = slab === shared.slab ? end === shared.used : slab.length === LARGE_SLAB_BYTES
      if (isOpen && end < slab.length) return slab.length - end
    }
    if (bytes >= LARGE_WRITE_BYTES) return this.#begin(takeLargeSlab(), 0)
    if (shared.used === shared.slab.length) shared.renew()
    return this.#begin(shared.slab, shared.used)
  }

  #begin(slab: Uint8Array, at: number): number {
    this.#slabs.push(slab)
    this.#starts.push(at)
    this.#offsets.push(this.#endOffset)
    return slab.length - at
  }

  /** The bytes `[from, to)`, which lie in run `index`. */
  #view(index: number, from: number, to: number): Uint8Array {
    const start = this.#starts[index]! - this.#offsets[index]!
    return this.#slabs[index]!.subarray(start + from, start + to)
  }

  #endOf(index: number): number {
    return index + 1 < this.#offsets.length ? this.#offsets[index + 1]! : this.#endOffset
  }

  /** The run that holds `offset`. */
  #indexOf(offset: number): number {
    for (let index = Math.max(this.#cursor, this.#head), tries = 0; tries < 3; tries++, index++) {
      if (index >= this.#slabs.length || offset < this.#offsets[index]!) break
      if (offset < this.#endOf(index)) return index
    }
    let low = this.#head
    let high = this.#slabs.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.#offsets[middle]! <= offset) low = middle
      else high = middle - 1
    }
    return low
  }

  #compact(): void {
    this.#slabs.splice(0, this.#head)
    this.#starts.splice(0, this.#head)
    this.#offsets.splice(0, this.#head)
    this.#cursor = Math.max(0, this.#cursor - this.#head)
    this.#head = 0
  }
}

const COMPACT_AT = 32
