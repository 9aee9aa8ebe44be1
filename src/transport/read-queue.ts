/**
 * In-order bytes that the reader has not taken yet, as views. A view must not keep much more memory alive than its own
 * bytes, or a peer that sends crumbs would fill it; and handing a view to a program costs more than copying a packet. So
 * what waits is packed together, unless it is large already: that is copied only out of a far larger buffer.
 */
export class ReadQueue {
  readonly #views: (Uint8Array | undefined)[] = []
  #head = 0
  #bytes = 0
  /** The last of the views, while it is packed: memory of ours, of which so many bytes are taken. */
  #slab: Uint8Array | undefined
  #slabBytes = 0
  /** How much was in the last slab that was taken: the next one is made for as much, as turn after turn brings as much. */
  #usualBytes = 0

  get bytes(): number {
    return this.#bytes
  }

  push(view: Uint8Array): void {
    this.#bytes += view.length
    // A reader that keeps up gets it as it is, unless it came with much that is others'.
    if (this.#head === this.#views.length) this.#append(view.length < LARGE_BYTES ? ownBytes(view) : view)
    else if (view.length >= LARGE_BYTES) this.#append(ownBytes(view))
    else this.#pack(view)
  }

  /** The next bytes, which the caller owns from now on. */
  shift(): Uint8Array | undefined {
    let view = this.#views[this.#head]
    if (view === undefined) return undefined
    this.#views[this.#head++] = undefined
    if (this.#head === this.#views.length) {
      if (this.#slab !== undefined) {
        this.#usualBytes = this.#slabBytes
        view = ownBytes(this.#slab.subarray(0, this.#slabBytes))
      }
      this.#slab = undefined
      this.#views.length = this.#head = 0
    } else if (this.#head > COMPACT_AT && this.#head * 2 > this.#views.length) {
      this.#views.splice(0, this.#head)
      this.#head = 0
    }
    this.#bytes -= view.length
    return view
  }

  #append(view: Uint8Array): void {
    const last = this.#views.length - 1
    if (this.#slab !== undefined) this.#views[last] = ownBytes(this.#slab.subarray(0, this.#slabBytes))
    this.#slab = undefined
    this.#views.push(view)
  }

  /** The slab doubles: it holds no more room than bytes, nor than the one before it held. */
  #pack(view: Uint8Array): void {
    const slab = this.#slab
    const bytes = this.#slabBytes + view.length
    if (slab === undefined || bytes > SLAB_BYTES) {
      const fresh = new Uint8Array(Math.max(2 * view.length, this.#usualBytes))
      fresh.set(view)
      this.#append(fresh)
      this.#slab = fresh
      this.#slabBytes = view.length
      return
    }
    const roomy = bytes > slab.length ? grown(slab, Math.min(2 * bytes, SLAB_BYTES)) : slab
    roomy.set(view, this.#slabBytes)
    this.#views[this.#views.length - 1] = this.#slab = roomy
    this.#slabBytes = bytes
  }
}

function grown(slab: Uint8Array, length: number): Uint8Array {
  const larger = new Uint8Array(length)
  larger.set(slab)
  return larger
}

/** `view`, or a copy of it if it is a small part of its buffer. */
export function ownBytes(view: Uint8Array): Uint8Array {
  return view.length * MAX_OVERHEAD < view.buffer.byteLength ? new Uint8Array(view) : view
}

const LARGE_BYTES = 4_096
const SLAB_BYTES = 24_576
const MAX_OVERHEAD = 2
const COMPACT_AT = 32
