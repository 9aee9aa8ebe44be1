/**
 * What goes over a flow of `serval perf`: blocks of the pattern, and between them short messages as JSON.
 *
 *   block     | length 4 (of the body) | number 4 | body   |
 *   message   | length 4, top bit set  |            JSON   |
 */
import { BLOCK_HEADER_BYTES } from './pattern.ts'

export interface FrameHandler {
  /** A part of a block's body, as it came; `offset` counts from the body's start. The bytes are only lent. */
  onBody(number: number, offset: number, bytes: Uint8Array): void
  onMessage(message: unknown): void
}

export function blockHeader(number: number, bodyBytes: number): Uint8Array {
  const header = Buffer.allocUnsafe(BLOCK_HEADER_BYTES)
  header.writeUInt32BE(bodyBytes, 0)
  header.writeUInt32BE(number >>> 0, LENGTH_BYTES)
  return header
}

export function messageFrame(message: object): Uint8Array {
  const text = Buffer.from(JSON.stringify(message))
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + text.length)
  frame.writeUInt32BE((MESSAGE | text.length) >>> 0, 0)
  text.copy(frame, LENGTH_BYTES)
  return frame
}

const LENGTH_BYTES = 4
const MESSAGE = 0x80000000
/** A peer that is no `serval perf` shows here at the latest. */
const MAX_MESSAGE_BYTES = 1 << 16
const MAX_BODY_BYTES = 1 << 16

/** Takes a byte stream apart, in any chunks. Bodies are handed on without waiting for their end. */
export class FrameParser {
  readonly #handler: FrameHandler
  /** The beginning of a header or message that the last chunk ended in. */
  #held: Buffer = Buffer.alloc(0)
  #number = 0
  #offset = 0
  #bodyLeft = 0

  constructor(handler: FrameHandler) {
    this.#handler = handler
  }

  /** Throws an Error if the bytes are of something else. */
  push(chunk: Buffer): void {
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    for (let used = this.#next(rest); used > 0; used = this.#next(rest)) rest = rest.subarray(used)
    this.#held = rest
  }

  /** Bytes used of `bytes`; 0: more are needed. */
  #next(bytes: Buffer): number {
    if (this.#bodyLeft > 0) return this.#body(bytes)
    if (bytes.length < LENGTH_BYTES) return 0
    const length = bytes.readUInt32BE(0)
    return (length & MESSAGE) === 0 ? this.#block(length, bytes) : this.#message(length & ~MESSAGE, bytes)
  }

  #block(bodyBytes: number, bytes: Buffer): number {
    if (bodyBytes > MAX_BODY_BYTES) throw notPerf()
    if (bytes.length < BLOCK_HEADER_BYTES) return 0
    this.#number = bytes.readUInt32BE(LENGTH_BYTES)
    this.#offset = 0
    this.#bodyLeft = bodyBytes
    return BLOCK_HEADER_BYTES
  }

  #body(bytes: Buffer): number {
    const part = bytes.subarray(0, this.#bodyLeft)
    if (part.length > 0) this.#handler.onBody(this.#number, this.#offset, part)
    this.#offset += part.length
    this.#bodyLeft -= part.length
    return part.length
  }

  #message(textBytes: number, bytes: Buffer): number {
    if (textBytes > MAX_MESSAGE_BYTES) throw notPerf()
    const end = LENGTH_BYTES + textBytes
    if (bytes.length < end) return 0
    this.#handler.onMessage(parse(bytes.toString('utf8', LENGTH_BYTES, end)))
    return end
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw notPerf()
  }
}

function notPerf(): Error {
  return new Error('the peer is not a `serval perf`')
}
