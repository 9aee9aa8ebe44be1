/**
 * HOT: reads ahead what the lookups for a burst of packets will read (`ServiceTable.fetch`): where the table is larger than the
 * processor's caches, each lookup alone waits several times for memory, and all of them together no longer than one.
 * It guesses where the serviceID is, as a SYN and a datagram of ours have it, and a wrong guess costs only time.
 */
import type { ServiceKey, ServiceTable } from '../service/service-table.ts'
import { SHIM_BYTES } from '../wire/encapsulation.ts'
import { BASE_HEADER_BYTES } from '../wire/sal-header.ts'

/** Below so many entries, 2 MB, what is read lies in a cache anyhow. */
export const WORTHWHILE_ENTRIES = 1 << 15

const FIRST_EXTENSION = SHIM_BYTES + BASE_HEADER_BYTES
const CONTROL_BYTES = 20
const SERVICE = 2
const SERVICE_ID = 4

export class ReadAhead {
  readonly #table: ServiceTable
  readonly #bytes: Uint8Array
  readonly #keys: readonly PacketKey[]
  #count = 0

  /** Of `burst` packets in `bytes`, a buffer of its own, at most. */
  constructor(table: ServiceTable, bytes: Uint8Array, burst: number) {
    const view = new DataView(bytes.buffer)
    this.#table = table
    this.#bytes = bytes
    this.#keys = Array.from({ length: burst }, () => new PacketKey(view))
  }

  /** Whether it saves more than it costs. */
  get isWorthwhile(): boolean {
    return this.#table.size >= WORTHWHILE_ENTRIES
  }

  /** A packet lies at `start`, from the shim on. */
  expect(start: number): void {
    const first = start + FIRST_EXTENSION
    const at = this.#isService(first) ? first : first + CONTROL_BYTES
    if (this.#isService(at)) this.#keys[this.#count++]!.at = at + SERVICE_ID
  }

  /** Reads for all that are expected. */
  read(): void {
    this.#table.fetch(this.#keys, this.#count)
    this.#count = 0
  }

  #isService(at: number): boolean {
    return this.#bytes[at]! >> 4 === SERVICE
  }
}

/** A serviceID where it lies in a packet. */
export class PacketKey implements ServiceKey {
  at = 0
  readonly #view: DataView

  constructor(view: DataView) {
    this.#view = view
  }

  copyWords(words: Int32Array, offset = 0): void {
    for (let i = 0, at = this.at; i < 8; i++, at += 4) words[offset + i] = this.#view.getInt32(at)
  }
}
