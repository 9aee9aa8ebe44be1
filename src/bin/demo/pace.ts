/** A stream that lets so many bytes pass a second, evenly. */
import { Transform, type TransformCallback } from 'node:stream'

/** Pieces are as long as the rate allows in this time: short enough to look steady. */
const STEP_MS = 20

export class Pace extends Transform {
  readonly #bytesPerMs: number
  /** When what was let pass so far is due. */
  #dueAt = performance.now()
  #timer: NodeJS.Timeout | undefined

  constructor(bytesPerSecond: number) {
    super()
    this.#bytesPerMs = bytesPerSecond / 1000
  }

  override _transform(chunk: Uint8Array, _encoding: BufferEncoding, callback: TransformCallback): void {
    const pieceBytes = Math.ceil(this.#bytesPerMs * STEP_MS)
    const piece = chunk.subarray(0, pieceBytes)
    const rest = chunk.subarray(pieceBytes)
    this.push(piece)
    // A reader that was slow does not get it all at once afterwards.
    this.#dueAt = Math.max(this.#dueAt, performance.now() - STEP_MS) + piece.length / this.#bytesPerMs
    const next = () =>
      rest.length > 0 ? this._transform(rest, 'buffer' as BufferEncoding, callback) : callback()
    this.#timer = setTimeout(next, this.#dueAt - performance.now())
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer)
    callback(error)
  }
}
