/**
 * Puts the received bytes in order. Bytes ahead of a gap are kept as views in `pieces`, and their offsets in
 * `ranges`, which is what SACK tells the peer. What was received first stands; no byte is delivered twice.
 */
import { RangeSet } from './ranges.ts'
import { ownBytes, ReadQueue } from './read-queue.ts'

/** How many views may wait ahead of gaps. More are dropped unseen, and the peer sends them again. */
export const MAX_PIECES = 2_048

interface Piece {
  readonly start: number
  readonly bytes: Uint8Array
}

export class Reassembly {
  /** What was received ahead of the first gap. */
  readonly ranges = new RangeSet()
  readonly #pieces: Piece[] = []
  readonly #ready = new ReadQueue()
  readonly #maxPieces: number
  #nextOffset: number
  #highestOffset: number
  #finalOffset: number | undefined
  /** The first bytes since `forgetDuplicate` that were held or delivered already (RFC 2883). */
  duplicateStart = 0
  duplicateEnd = 0

  /** Everything before `offset` has come, and been read. */
  constructor(offset = 0, maxPieces = MAX_PIECES) {
    this.#nextOffset = this.#highestOffset = offset
    this.#maxPieces = maxPieces
  }

  /** The first byte not yet received: RCV.NXT. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  /** In-order bytes not yet read. */
  get readableBytes(): number {
    return this.#ready.bytes
  }

  /** Bytes that the reader has taken. */
  get readOffset(): number {
    return this.#nextOffset - this.#ready.bytes
  }

  /** Every byte up to the stream's end is here. */
  get complete(): boolean {
    return this.#nextOffset === this.#finalOffset
  }

  /** Nothing is held, nor to be told of; and the end is not known. */
  get isAtRest(): boolean {
    const isEmpty = this.#ready.bytes === 0 && this.#pieces.length === 0
    return isEmpty && this.duplicateStart === this.duplicateEnd && this.#finalOffset === undefined
  }

  /** Takes `bytes`, which begin at `offset`. The buffer behind them is kept. */
  insert(offset: number, bytes: Uint8Array): void {
    let end = offset + bytes.length
    if (this.#finalOffset !== undefined && end > this.#finalOffset) {
      bytes = bytes.subarray(0, Math.max(0, this.#finalOffset - offset))
      end = offset + bytes.length
    }
    if (bytes.length === 0) return
    this.#highestOffset = Math.max(this.#highestOffset, end)
    if (offset < this.#nextOffset) {
      this.#noteDuplicate(offset, Math.min(end, this.#nextOffset))
      if (end <= this.#nextOffset) return
      bytes = bytes.subarray(this.#nextOffset - offset)
      offset = this.#nextOffset
    }
    if (this.#pieces.length === 0 && offset === this.#nextOffset) {
      this.#deliver(bytes)
      return
    }
    this.#fillGaps(offset, bytes)
    this.#drain()
  }

  /** Fixes the end of the stream; `conflict` if it contradicts what was said or received before. */
  setFinalOffset(offset: number): 'ok' | 'conflict' {
    if (this.#finalOffset !== undefined) return offset === this.#finalOffset ? 'ok' : 'conflict'
    if (offset < this.#highestOffset) return 'conflict'
    this.#finalOffset = offset
    return 'ok'
  }

  read(): Uint8Array | undefined {
    return this.#ready.shift()
  }

  forgetDuplicate(): void {
    this.duplicateStart = this.duplicateEnd = 0
  }

  /** Keeps what of `bytes` lies between the pieces. */
  #fillGaps(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length
    // What closes the first gap, and all that follows it here, leaves at once and is never refused.
    const limit = offset === this.#nextOffset ? Number.POSITIVE_INFINITY : this.#maxPieces
    let index = this.#firstEndingAfter(offset)
    for (let at = offset; at < end; ) {
      const piece = this.#pieces[index]
      const gapEnd = piece === undefined ? end : Math.min(end, piece.start)
      if (at < gapEnd) {
        if (this.#pieces.length < limit) {
          this.#keep(index++, at, bytes.subarray(at - offset, gapEnd - offset))
        }
        at = gapEnd
      }
      if (piece !== undefined && at < end) {
        const pieceEnd = piece.start + piece.bytes.length
        this.#noteDuplicate(at, Math.min(end, pieceEnd))
        at = pieceEnd
        index++
      }
    }
  }

  #keep(index: number, start: number, bytes: Uint8Array): void {
    this.#pieces.splice(index, 0, { start, bytes: ownBytes(bytes) })
    this.ranges.add(start, start + bytes.length)
  }

  #drain(): void {
    let count = 0
    for (; count < this.#pieces.length; count++) {
      const piece = this.#pieces[count]!
      if (piece.start !== this.#nextOffset) break
      this.#deliver(piece.bytes)
    }
    if (count === 0) return
    this.#pieces.splice(0, count)
    this.ranges.removeBelow(this.#nextOffset)
  }

  #deliver(bytes: Uint8Array): void {
    this.#ready.push(bytes)
    this.#nextOffset += bytes.length
  }

  #noteDuplicate(start: number, end: number): void {
    if (this.duplicateStart !== this.duplicateEnd) return
    this.duplicateStart = start
    this.duplicateEnd = end
  }

  #firstEndingAfter(offset: number): number {
    let low = 0
    let high = this.#pieces.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const piece = this.#pieces[middle]!
      if (piece.start + piece.bytes.length > offset) high = middle
      else low = middle + 1
    }
    return low
  }
}
