/**
 * Frames on a control connection: a u32 length (big-endian), then so many bytes, in whatever chunks the
 * stream delivers them.
 */
import type { WireError } from '../wire/wire-error.ts'
import { controlErrors } from './control-error.ts'

/** No frame is longer, whoever sends it. */
export const MAX_FRAME_BYTES = 1024 * 1024
/** What an agent sends is never longer; so a controller holds no more than this for a slow one. */
export const MAX_AGENT_FRAME_BYTES = 64 * 1024

/** A copy of `body` with its length before it; RangeError beyond MAX_FRAME_BYTES. */
export function emitFrame(body: Uint8Array): Uint8Array {
  if (body.length > MAX_FRAME_BYTES) throw new RangeError(`a frame of ${body.length} bytes`)
  const frame = new Uint8Array(LENGTH_BYTES + body.length)
  new DataView(frame.buffer).setUint32(0, body.length)
  frame.set(body, LENGTH_BYTES)
  return frame
}

/** Cuts a byte stream into frames: `push` what arrives, then `next` until undefined. */
export class FrameReader {
  readonly #maxFrameBytes: number
  /** What no frame has taken yet is `#buffer[#start..#end)`. Room doubles, so that no trickle of bytes costs much. */
  #buffer: Uint8Array = NOTHING
  #start = 0
  #end = 0
  #broken = false

  constructor(maxFrameBytes = MAX_FRAME_BYTES) {
    this.#maxFrameBytes = maxFrameBytes
  }

  /** Copies the chunk. */
  push(chunk: Uint8Array): void {
    if (this.#broken) return
    if (this.#end + chunk.length > this.#buffer.length) this.#makeRoom(chunk.length)
    this.#buffer.set(chunk, this.#end)
    this.#end += chunk.length
  }

  /**
   * The body of the next whole frame, a view that holds until the next `push`. After `frameTooLong`, given
   * once, nothing more comes: where the next frame starts is not known.
   */
  next(): Uint8Array | WireError | undefined {
    if (this.#end - this.#start < LENGTH_BYTES) return this.#rest()
    const length = new DataView(this.#buffer.buffer).getUint32(this.#start)
    if (length > this.#maxFrameBytes) {
      this.#broken = true
      this.#start = this.#end
      this.#rest()
      return controlErrors.frameTooLong
    }
    const bodyStart = this.#start + LENGTH_BYTES
    if (this.#end - bodyStart < length) return undefined
    this.#start = bodyStart + length
    return this.#buffer.subarray(bodyStart, this.#start)
  }

  #makeRoom(bytes: number): void {
    const held = this.#buffer.subarray(this.#start, this.#end)
    if (held.length + bytes > this.#buffer.length) {
      this.#buffer = new Uint8Array(Math.max(FIRST_BYTES, 2 * (held.length + bytes)))
      this.#buffer.set(held)
    } else {
      this.#buffer.copyWithin(0, this.#start, this.#end)
    }
    this.#start = 0
    this.#end = held.length
  }

  /** Between frames: an idle connection holds no memory. */
  #rest(): undefined {
    if (this.#start < this.#end) return
    this.#start = 0
    this.#end = 0
    if (this.#buffer.length > FIRST_BYTES || this.#broken) this.#buffer = NOTHING
  }
}

const LENGTH_BYTES = 4
const FIRST_BYTES = 1024
const NOTHING = new Uint8Array(0)
