/** Reads the captures in test/vectors: classic pcap, either byte order, IPv4 behind the usual link headers. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

export interface CapturedPacket {
  readonly file: string
  /** Counted from 1, as Wireshark and tcpdump do. */
  readonly number: number
  readonly atMs: number
  /** From the first byte of the IPv4 header on. */
  readonly bytes: Uint8Array
}

export const VECTORS = join(import.meta.dirname, '..', 'vectors')

/** Every packet of every capture in test/vectors, in the order of names. */
export function allCaptures(): CapturedPacket[] {
  const files = readdirSync(VECTORS).filter(name => name.endsWith('.pcap'))
  return files.sort().flatMap(name => readCapture(join(VECTORS, name)))
}

/** Throws an Error that names the file if it is no capture, is cut, or has another link type. */
export function readCapture(path: string): CapturedPacket[] {
  const data = readFileSync(path)
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const little = view.getUint32(0, true) === MAGIC
  if (!little && view.getUint32(0) !== MAGIC) throw new Error(`${path} is no pcap file`)
  const linkBytes = LINK_HEADER_BYTES.get(view.getUint32(LINK_TYPE, little))
  if (linkBytes === undefined) throw new Error(`${path}: link type ${view.getUint32(LINK_TYPE, little)}`)
  const packets: CapturedPacket[] = []
  for (let at = FILE_HEADER_BYTES; at < data.length; ) {
    const length = view.getUint32(at + CAPTURED_LENGTH, little)
    const start = at + RECORD_HEADER_BYTES
    if (start + length > data.length) throw new Error(`${path} ends inside of packet ${packets.length + 1}`)
    packets.push({
      file: basename(path),
      number: packets.length + 1,
      atMs: view.getUint32(at, little) * 1000 + view.getUint32(at + MICROSECONDS, little) / 1000,
      bytes: Uint8Array.from(data.subarray(start + linkBytes, start + length)),
    })
    at = start + length
  }
  return packets
}

const MAGIC = 0xa1b2c3d4
const FILE_HEADER_BYTES = 24
const LINK_TYPE = 20
const RECORD_HEADER_BYTES = 16
const MICROSECONDS = 4
const CAPTURED_LENGTH = 8

/** tcpdump.org/linktypes: Ethernet, Linux cooked v1 and v2, raw IP. */
const LINK_HEADER_BYTES = new Map([
  [1, 14],
  [113, 16],
  [276, 20],
  [101, 0],
])
