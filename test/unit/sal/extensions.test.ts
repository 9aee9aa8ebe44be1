/** Extensions that a stack does not know: skipped, or refused where their sender insists. */
import { describe, expect, it } from 'vitest'
import { ServiceId } from '../../../src/id/service-id.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import { Sal } from '../../../src/sal/sal.ts'
import { emitShim, SHIM_BYTES } from '../../../src/wire/encapsulation.ts'
import { controlFlags } from '../../../src/wire/extensions/control.ts'
import { reasonCodes } from '../../../src/wire/extensions/reason.ts'
import type { Extension } from '../../../src/wire/extensions.ts'
import { nativeProfile } from '../../../src/wire/native-profile.ts'
import { emitPacket, parsePacket, SalPacket } from '../../../src/wire/packet.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import { Random } from '../../support/random.ts'

const clientAt = { address: '10.0.0.1', port: 1000 }
const serverAt = { address: '10.0.0.2', port: 2000 }
const service = ServiceId.fromBytes(new Uint8Array(32).fill(7))

/** An extension of type 14, which nobody knows; with `bits` 8 its sender insists on it. */
function unknownExtension(bits: number): Extension {
  return { kind: 'unknown', type: 14, bits, body: new Uint8Array(2) }
}

describe('a packet of a flow with an unknown extension', () => {
  it('is taken as if it were without it', () => {
    const { server, received } = deliver(packet => [unknownExtension(0), ...packet.extensions])
    expect(received).toBe('hello')
    expect(server.counters).toEqual({})
  })

  it('is refused, and its sender told the type, where the sender insists', () => {
    const { server, received, answers } = deliver(packet => [
      ...packet.extensions.filter(({ kind }) => kind === 'control'),
      unknownExtension(8),
    ])
    expect(received).toBe('')
    expect(server.counters.notUnderstood).toBe(1)
    expect(answers).toEqual([])
  })

  it('of control is answered with a NACK', () => {
    const { answers } = deliver(
      packet => [...packet.extensions.slice(0, -1), unknownExtension(8), ...packet.extensions.slice(-1)],
      packet => packet.control !== undefined && (packet.control.flags & controlFlags.FIN) !== 0,
    )
    expect(answers).toEqual([{ flags: controlFlags.NACK, code: reasonCodes.UNSUPPORTED, detail: '14' }])
  })
})

/**
 * Sets up a flow whose client says hello and ends; `extend` gives new extensions to the client's packets that are
 * `picked` (default: plain data). Returns what the server read, and the NACKs that it sent.
 */
function deliver(
  extend: (packet: SalPacket) => Extension[],
  picked = (packet: SalPacket) => packet.extensions.length === 0 && packet.transport.length > 20,
) {
  const random = new Random(1)
  const randomBytes = (n: number) => random.bytes(n)
  const client = new Sal({ randomBytes })
  const server = new Sal({ randomBytes })
  client.addLocal({ id: 1, endpoint: clientAt, prefixBits: 24, mtu: 1500 }, 0)
  server.addLocal({ id: 1, endpoint: serverAt, prefixBits: 24, mtu: 1500 }, 0)
  server.listen({ serviceId: service })
  const rule = { type: 'FORWARD', targets: [{ endpoint: serverAt }] } as const
  client.serviceTable.insert(new ServicePrefix(service, 256), rule, { source: 'user' })

  const batch = new TransmitBatch()
  const answers: { flags: number; code: number | undefined; detail: string | undefined }[] = []
  let received = ''
  const flow = client.connect({ serviceId: service }, 0)
  for (let nowMs = 0; nowMs < 4; nowMs++) {
    while (client.pollTransmit(batch, nowMs)) {
      const bytes = change(batch.buffer.slice(0, batch.length), picked, extend)
      server.handleDatagram(bytes, bytes.length, 1, clientAt, nowMs)
    }
    while (server.pollTransmit(batch, nowMs)) {
      const packet = parsed(batch.buffer.slice(0, batch.length))
      const { control } = packet
      const reason = packet.extension('reason')
      if (control && (control.flags & controlFlags.NACK) !== 0) {
        answers.push({ flags: control.flags, code: reason?.code, detail: reason?.detail })
      }
      client.handleDatagram(batch.buffer.slice(0, batch.length), batch.length, 1, serverAt, nowMs)
    }
    if (nowMs === 1) flow.write(new TextEncoder().encode('hello'))
    if (nowMs === 2) flow.end(nowMs)
    for (let event = server.pollEvent(); event; event = server.pollEvent()) {
      if (event.type !== 'flow') continue
      for (let chunk = event.flow.read(); chunk; chunk = event.flow.read()) {
        received += new TextDecoder().decode(chunk)
      }
    }
  }
  return { server, received, answers }
}

function parsed(datagram: Uint8Array): SalPacket {
  const packet = parsePacket(datagram, SHIM_BYTES, datagram.length, nativeProfile)
  if (packet instanceof WireError) throw new Error(packet.code)
  return packet
}

function change(
  datagram: Uint8Array,
  picked: (packet: SalPacket) => boolean,
  extend: (packet: SalPacket) => Extension[],
): Uint8Array {
  const packet = parsed(datagram)
  if (!picked(packet)) return datagram
  const changed = new SalPacket({ ...packet, transport: packet.transport, extensions: extend(packet) })
  const bytes = new Uint8Array(2000)
  const length = SHIM_BYTES + emitPacket(changed, bytes, SHIM_BYTES, nativeProfile)
  emitShim(bytes, 0, length)
  return bytes.slice(0, length)
}
