/**
 * A worker's part of the capture that all workers of a router write (`--pcap`). Each appends whole records at once, which the
 * kernel puts behind one another (open(2), O_APPEND), so the packets of one worker are in order, and those of one sender,
 * who is always the same worker's. They are written after each batch: what is in the file does not depend on how this ends.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import type { Endpoint } from '../../wire/endpoint.ts'
import type { PacketTap } from '../links/link.ts'
import { packetRecords } from '../links/packet-records.ts'

const recordsOf = packetRecords(false)

export class WorkerCapture implements PacketTap {
  readonly #epochMs: () => number
  #fd: number | undefined
  #records: Uint8Array[] = []

  /** `path`: a capture with its header. `epochMs`: now, in milliseconds since 1970. */
  constructor(path: string, epochMs: () => number) {
    this.#fd = openSync(path, 'a')
    this.#epochMs = epochMs
  }

  show(buffer: Uint8Array, length: number, source: Endpoint, destination: Endpoint): void {
    if (this.#fd !== undefined) {
      this.#records.push(...recordsOf(buffer, length, source, destination, this.#epochMs()))
    }
  }

  miss(): void {}

  /** Writes what has been seen since. Why it goes no further, said once: a full disk ends the capture, not the router. */
  write(): string | undefined {
    if (this.#records.length === 0 || this.#fd === undefined) return undefined
    const data = Buffer.concat(this.#records)
    this.#records = []
    try {
      for (let at = 0; at < data.length; ) at += writeSync(this.#fd, data, at)
      return undefined
    } catch (error) {
      closeSync(this.#fd)
      this.#fd = undefined
      return (error as Error).message
    }
  }
}

/** Shows to both. */
export class TwoTaps implements PacketTap {
  readonly #one: PacketTap
  readonly #other: PacketTap

  constructor(one: PacketTap, other: PacketTap) {
    this.#one = one
    this.#other = other
  }

  show(buffer: Uint8Array, length: number, source: Endpoint, destination: Endpoint): void {
    this.#one.show(buffer, length, source, destination)
    this.#other.show(buffer, length, source, destination)
  }

  miss(packets: number): void {
    this.#one.miss(packets)
    this.#other.miss(packets)
  }
}
