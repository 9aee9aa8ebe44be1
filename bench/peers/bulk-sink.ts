/**
 * The receiving end of `bulk`, over anything. Obeys `measure SECONDS`, which answers with the figures so long after the
 * next bytes come (not at their end, which comes late where much is buffered and little gets through), and
 * `receive BYTES`, which answers when so many have come since the beginning.
 */
import { Meter } from '../support/meter.ts'
import { Turns } from '../support/turns.ts'
import { obey } from './commands.ts'

export class BulkSink {
  readonly #meter: Meter
  readonly #turns = new Turns()
  #onBytes: (() => void) | undefined

  constructor(verifiedShare: number) {
    this.#meter = new Meter(verifiedShare)
    obey({ measure: seconds => this.#measure(seconds), receive: bytes => this.#receive(bytes) })
  }

  take(chunk: Uint8Array, position?: number): void {
    this.#meter.take(chunk, performance.now(), position)
    this.#onBytes?.()
  }

  async #measure(seconds: number): Promise<object> {
    this.#meter.begin(seconds)
    await this.#until(() => this.#meter.isBegun)
    this.#turns.begin()
    await new Promise(resolve => setTimeout(resolve, 1000 * seconds))
    return { ...this.#meter.figures, turnms: this.#turns.end() }
  }

  async #receive(bytes: number): Promise<object> {
    await this.#until(() => this.#meter.position >= bytes)
    return {}
  }

  #until(holds: () => boolean): Promise<void> {
    return new Promise(resolve => {
      this.#onBytes = () => {
        if (!holds()) return
        this.#onBytes = undefined
        resolve()
      }
      this.#onBytes()
    })
  }
}
