/** The packets of a capture: of a file, of one that grows, or from standard input as they come. */
import { type CapturedPacket, PcapReader } from '../../wire/pcap.ts'
import { UsageError } from '../failure.ts'
import { captureBytes, nameOfCapture } from './capture-source.ts'

/** A capture's own header. */
const MIN_CAPTURE_BYTES = 24

/** As `captureBytes` has them; throws a UsageError where it is no capture, or none that can be read. */
export async function* capturePackets(
  path: string,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<readonly CapturedPacket[], void> {
  const reader = new PcapReader()
  let bytes = 0
  for await (const part of captureBytes(path, follow, signal)) {
    const packets = reader.push(part)
    if (typeof packets === 'string') throw new UsageError(`${nameOfCapture(path)}: ${packets}`)
    bytes += part.length
    yield packets
  }
  if (bytes < MIN_CAPTURE_BYTES && !signal.aborted) {
    throw new UsageError(`${nameOfCapture(path)}: it is too short for a pcap file`)
  }
}
