/** The captures in test/vectors, by file and number. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type CapturedPacket, parsePcap } from '../../src/wire/pcap.ts'

export interface VectorPacket extends CapturedPacket {
  readonly file: string
  /** Counted from 1, as Wireshark and tcpdump do. */
  readonly number: number
}

export const VECTORS = join(import.meta.dirname, '..', 'vectors')

/** Every packet of every capture in test/vectors, in the order of names. */
export function allCaptures(): VectorPacket[] {
  const files = readdirSync(VECTORS).filter(name => name.endsWith('.pcap'))
  return files.sort().flatMap(name => readCapture(join(VECTORS, name)))
}

/** Throws an Error that names the file if it is no capture. */
export function readCapture(path: string): VectorPacket[] {
  const packets = parsePcap(readFileSync(path))
  if (typeof packets === 'string') throw new Error(`${path}: ${packets}`)
  return packets.map(({ atMs, bytes }, index) => {
    return { file: basename(path), number: index + 1, atMs, bytes: Uint8Array.from(bytes) }
  })
}
