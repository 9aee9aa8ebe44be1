/** Whether a router is there: a SYN that only a NACK can answer. */
import { describe, expect, it } from 'vitest'
import { serialAdd } from '../../../src/id/serial.ts'
import { RouterProbes } from '../../../src/sal/router-probe.ts'
import { type Endpoint, endpoint } from '../../../src/wire/endpoint.ts'
import { control, controlFlags } from '../../../src/wire/extensions/control.ts'
import { reason, reasonCodes } from '../../../src/wire/extensions/reason.ts'
import { nativeProfile } from '../../../src/wire/native-profile.ts'
import type { SalPacket } from '../../../src/wire/packet.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'
import { Random } from '../../support/random.ts'
import { packetOf } from '../../support/simulator/describe-packet.ts'
import { forge } from '../../support/simulator/forge.ts'

const local = { id: 4, endpoint: endpoint('10.0.0.1', 1), prefixBits: 24, mtu: 1500 }
const router = endpoint('10.0.0.254', 54325)

function desk() {
  const probes = new RouterProbes(nativeProfile, new Random(1).bytes)
  const batch = new TransmitBatch()
  const sent = (): { syn: SalPacket; to: Endpoint; localId: number } | undefined => {
    if (!probes.pollTransmit(batch)) return undefined
    return {
      syn: packetOf(batch.buffer.slice(0, batch.length))!,
      to: batch.remote,
      localId: batch.localId,
    }
  }
  return { probes, sent }
}

function nack(syn: SalPacket, nonce = syn.control!.nonce): SalPacket {
  const extensions = [
    control(controlFlags.NACK, 0, serialAdd(syn.control!.verno, 1), nonce),
    reason(reasonCodes.NO_SERVICE),
  ]
  return packetOf(forge({ srcFlowId: 0, dstFlowId: syn.srcFlowId, extensions }))!
}

describe('a probe', () => {
  it('is a SYN for the service that nobody can have', () => {
    const { probes, sent } = desk()
    probes.probe(local, router)
    const { syn, to, localId } = sent()!
    expect([to, localId]).toEqual([router, 4])
    expect(syn.control?.flags).toBe(controlFlags.SYN)
    expect(syn.services[0]?.toBytes()).toEqual(new Uint8Array(32))
    expect(sent()).toBeUndefined()
  })

  it('that is answered shows that the router lives, for half a minute', () => {
    const { probes, sent } = desk()
    probes.probe(local, router)
    expect(probes.isAlive(router, 0)).toBe(false)
    expect(probes.handlePacket(nack(sent()!.syn), 100)).toBe(true)
    expect(probes.isAlive(router, 30_099)).toBe(true)
    expect(probes.isAlive(router, 30_100)).toBe(false)
    expect(probes.isAlive(endpoint('10.0.0.253', 54325), 100)).toBe(false)
  })

  it('is answered once, and by its nonce alone', () => {
    const { probes, sent } = desk()
    probes.probe(local, router)
    const { syn } = sent()!
    expect(probes.handlePacket(nack(syn, new Uint8Array(8)), 0)).toBe(false)
    expect(probes.handlePacket(nack(syn), 0)).toBe(true)
    expect(probes.handlePacket(nack(syn), 0)).toBe(false)
  })

  it('one of sixty-four at most is kept, and routers as many', () => {
    const { probes } = desk()
    for (let i = 0; i < 500; i++) {
      probes.probe(local, router)
      probes.heard(endpoint(`10.1.${i >> 8}.${i & 255}`, 1), i)
    }
    expect(probes.queues).toEqual([
      { name: 'router probes', size: 64, limit: 64 },
      { name: 'routers heard', size: 64, limit: 64 },
    ])
  })
})
