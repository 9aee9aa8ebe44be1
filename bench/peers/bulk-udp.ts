/**
 * Raw datagrams by the stack's own link, with the kernel's offloads and nothing above it: what does not fit is lost. The
 * limit of what a stack over this link can do. bulk-udp sink ADDRESS VERIFIED-SHARE, bulk-udp source ADDRESS PORT LOCAL
 *
 * The source obeys `send SECONDS`.
 *
 *   | sequence number 8 | payload 1464 |
 */
import { UdpNetwork } from '../../src/net/links/udp-network.ts'
import { TransmitBatch } from '../../src/wire/transmit-batch.ts'
import { BLOCK_BYTES } from '../support/pattern.ts'
import { BulkSink } from './bulk-sink.ts'
import { obey } from './commands.ts'
import { say } from './say.ts'
import { sentBlock } from './sent-block.ts'

const SEGMENT_BYTES = 1472
const HEADER_BYTES = 8
const PAYLOAD_BYTES = SEGMENT_BYTES - HEADER_BYTES
const BATCH_SEGMENTS = 44

const [role, address = '', number, localAddress = ''] = process.argv.slice(2)
const host = { address, prefixBits: 24, mtu: 1500, interfaceName: 'eth0' }

if (role === 'sink') serve(Number(number))
else source(Number(number))

function serve(verifiedShare: number): void {
  const sink = new BulkSink(verifiedShare)
  const handleDatagram = (buffer: Uint8Array, length: number) => {
    const view = new DataView(buffer.buffer, buffer.byteOffset, length)
    for (let at = 0; at < length; at += SEGMENT_BYTES) {
      const position = (view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4)) * PAYLOAD_BYTES
      sink.take(buffer.subarray(at + HEADER_BYTES, at + SEGMENT_BYTES), position)
    }
  }
  const link = new UdpNetwork(true).open(1, host, 0, {
    onDatagram: (_link, buffer, length) => {
      handleDatagram(buffer, length)
      return undefined
    },
    onError: () => undefined,
    onDrain: () => undefined,
  })
  say('ready', { port: link.endpoint.port })
}

function source(port: number): void {
  let batch = newBatch(port)
  let sequence = 0
  let endAt = 0
  let onEnd: (() => void) | undefined
  const pump = () => {
    if (performance.now() >= endAt) return onEnd?.()
    for (let batches = 0; batches < 16 && !link.full; batches++) {
      fill(batch, sequence)
      sequence += BATCH_SEGMENTS
      if (!link.send(batch)) batch = newBatch(port)
    }
    if (!link.full) setImmediate(pump)
  }
  const local = { ...host, address: localAddress }
  const link = new UdpNetwork(true).open(1, local, 0, {
    onDatagram: () => undefined,
    onError: () => undefined,
    onDrain: pump,
  })
  const send = async (seconds: number) => {
    endAt = performance.now() + 1000 * seconds
    await new Promise<void>(resolve => {
      onEnd = resolve
      pump()
    })
    onEnd = undefined
    return {}
  }
  obey({ send })
}

function newBatch(port: number): TransmitBatch {
  const batch = new TransmitBatch()
  batch.localId = 1
  batch.remote = { address, port }
  batch.segmentBytes = SEGMENT_BYTES
  batch.packets = BATCH_SEGMENTS
  batch.length = BATCH_SEGMENTS * SEGMENT_BYTES
  return batch
}

function fill({ buffer }: TransmitBatch, firstSequence: number): void {
  const view = new DataView(buffer.buffer, buffer.byteOffset)
  for (let i = 0, at = 0; i < BATCH_SEGMENTS; i++, at += SEGMENT_BYTES) {
    view.setUint32(at, Math.floor((firstSequence + i) / 2 ** 32))
    view.setUint32(at + 4, firstSequence + i)
    let position = (firstSequence + i) * PAYLOAD_BYTES
    for (let to = at + HEADER_BYTES; to < at + SEGMENT_BYTES; ) {
      const offset = position % BLOCK_BYTES
      const length = Math.min(BLOCK_BYTES - offset, at + SEGMENT_BYTES - to)
      buffer.set(sentBlock((position - offset) / BLOCK_BYTES).subarray(offset, offset + length), to)
      to += length
      position += length
    }
  }
}
