/**
 * In-order bytes that the reader has not taken yet, as views. A view must not keep much more memory alive
 * than its own bytes, or a peer that sends crumbs would fill it: while the reader lags, small views are
 * packed together, and a view of a far larger buffer is copied out of it.
 */
export class ReadQueue {
  readonly #views: (Uint8Array | undefined)[] = []
  #head = 0
  #bytes = 0
  /** The last view is the beginning of a slab of ours. */
  #packing = false

  get bytes(): number {
    return this.#bytes
  }

  push(view: Uint8Array): void {
    this.#bytes += view.length
    const last = this.#views.length - 1
    if (last < this.#head) this.#append(view)
    else if (view.length >= SMALL_BYTES) this.#append(ownBytes(view))
    else if (this.#packing && this.#views[last]!.length + view.length <= SLAB_BYTES) this.#extend(last, view)
    else this.#pack(view)
  }

  /** The next bytes, which the caller owns from now on. */
  shift(): Uint8Array | undefined {
    const view = this.#views[this.#head]
    if (view === undefined) return undefined
    this.#views[this.#head++] = undefined
    this.#bytes -= view.length
    if (this.#head === this.#views.length) {
      this.#views.length = this.#head = 0
      this.#packing = false
    } else if (this.#head > COMPACT_AT && this.#head * 2 > this.#views.length) {
      this.#views.splice(0, this.#head)
      this.#head = 0
    }
    return view
  }

  #append(view: Uint8Array): void {
    this.#views.push(view)
    this.#packing = false
  }

  #pack(view: Uint8Array): void {
    const slab = new Uint8Array(2 * view.length)
    slab.set(view)
    this.#append(slab.subarray(0, view.length))
    this.#packing = true
  }

  /** The slab doubles, so that it never holds more room than bytes. */
  #extend(last: number, view: Uint8Array): void {
    const tail = this.#views[last]!
    const length = tail.length + view.length
    let { buffer } = tail
    if (length > buffer.byteLength) {
      buffer = new ArrayBuffer(Math.min(2 * length, SLAB_BYTES))
      new Uint8Array(buffer).set(tail)
    }
    const packed = new Uint8Array(buffer, 0, length)
    packed.set(view, tail.length)
    this.#views[last] = packed
  }
}

/** `view`, or a copy of it if it is a small part of its buffer. */
export function ownBytes(view: Uint8Array): Uint8Array {
  return view.length * MAX_OVERHEAD < view.buffer.byteLength ? view.slice() : view
}

const SMALL_BYTES = 1_024
const SLAB_BYTES = 8_192
const MAX_OVERHEAD = 2
const COMPACT_AT = 32
