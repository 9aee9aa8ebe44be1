/** What is kept of flows of the 2014 profile that are gone: not without limit. */
import { expect, it } from 'vitest'
import { LastWords } from '../../../src/flow/2014/last-words.ts'
import { PacketWriter2014 } from '../../../src/flow/2014/packets.ts'
import { control, controlFlags } from '../../../src/wire/extensions/control.ts'
import { SalPacket } from '../../../src/wire/packet.ts'
import { profile2014 } from '../../../src/wire/profile-2014.ts'
import { RAW_PORT } from '../../../src/wire/raw-ip.ts'
import { protocols } from '../../../src/wire/sal-header.ts'

const KEPT_MS = 60_000
const PEER = 7
const NONCE = new Uint8Array(8).fill(7)
const remote = { address: '10.0.0.2', port: RAW_PORT }
const local = { id: 1, endpoint: { address: '10.0.0.1', port: RAW_PORT }, prefixBits: 24, mtu: 1500 }

function wordOf(flowId: number, saidAt: number) {
  const writer = new PacketWriter2014(flowId, protocols.STREAM, new Uint8Array(8), profile2014)
  writer.meet(PEER, NONCE)
  return { flowId, writer, verno: 10, ackno: 20, saidAt }
}

/** The peer's FIN, number 19, once more. */
function finFor(dstFlowId: number) {
  const extensions = [control(controlFlags.FIN, 19, 10, NONCE)]
  const packet = new SalPacket({ srcFlowId: PEER, dstFlowId, protocol: protocols.STREAM, extensions })
  return { packet, buffer: new Uint8Array(), start: 0, end: 0, local, remote }
}

it('forgets the oldest beyond its limit', () => {
  const words = new LastWords(KEPT_MS)
  const { limit } = words.queue
  for (let flowId = 1; flowId <= limit; flowId++) words.keep(wordOf(flowId, 0))
  expect(words.repeat(finFor(1), 1)?.packet).toMatchObject({ flags: controlFlags.ACK, verno: 10, ackno: 20 })
  words.keep(wordOf(limit + 1, 2))
  expect(words.queue.size).toBe(limit)
  const isAnswered = (flowId: number) => words.repeat(finFor(flowId), 2) !== undefined
  // The first was asked for, so that the second is the one that was silent for longest.
  expect([1, 2, 3, limit, limit + 1].map(isAnswered)).toEqual([true, false, true, true, true])
})

it('forgets those whose time is over with the next that comes', () => {
  const words = new LastWords(KEPT_MS)
  for (let flowId = 1; flowId <= 10; flowId++) words.keep(wordOf(flowId, 0))
  words.keep(wordOf(11, KEPT_MS))
  expect(words.queue.size).toBe(1)
})
