/** Answers to packets of no flow: limited to each address, in number, and in size. */
import { describe, expect, it } from 'vitest'
import { serviceIdOf } from '../../../src/id/name.ts'
import { ANSWERS_LIMIT, Answers } from '../../../src/sal/answers.ts'
import { SHIM_BYTES } from '../../../src/wire/encapsulation.ts'
import { endpoint } from '../../../src/wire/endpoint.ts'
import { control, controlFlags } from '../../../src/wire/extensions/control.ts'
import { key, keyModes } from '../../../src/wire/extensions/key.ts'
import { answererOf, isTrace, trace } from '../../../src/wire/extensions/large.ts'
import { reasonCodes } from '../../../src/wire/extensions/reason.ts'
import { service } from '../../../src/wire/extensions/service.ts'
import type { Extension } from '../../../src/wire/extensions.ts'
import { nativeProfile } from '../../../src/wire/native-profile.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'
import { Random } from '../../support/random.ts'
import { packetOf, summarize } from '../../support/simulator/describe-packet.ts'
import { forge } from '../../support/simulator/forge.ts'

const local = { id: 3, endpoint: endpoint('10.0.0.1', 1), prefixBits: 24, mtu: 1500 }

function desk() {
  const counts: string[] = []
  const answers = new Answers(nativeProfile, new Random(1).bytes, counter => counts.push(counter))
  const batch = new TransmitBatch()
  const sent = () => {
    const packets: { readonly bytes: Uint8Array; readonly to: string; readonly localId: number }[] = []
    while (answers.pollTransmit(batch)) {
      const { buffer, length, remote, localId } = batch
      packets.push({ bytes: buffer.slice(0, length), to: remote.address, localId })
    }
    return packets
  }
  return { answers, counts, sent }
}

function arrival(extensions: readonly Extension[], address: string, dstFlowId = 0) {
  const buffer = forge({ srcFlowId: 77, dstFlowId, extensions })
  const remote = endpoint(address, 9)
  return { packet: packetOf(buffer)!, buffer, start: SHIM_BYTES, end: buffer.length, local, remote }
}

const syn = (address = '10.0.0.2') =>
  arrival(
    [
      control(controlFlags.SYN, 41, 0, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)),
      service(serviceIdOf('a.example')),
      key(keyModes.PLAIN, new Uint8Array(16)),
    ],
    address,
  )

describe('a refusal', () => {
  it('echoes number and nonce of the SYN, says why, and is no larger', () => {
    const { answers, sent } = desk()
    const asked = syn()
    answers.refuse(asked, asked.remote, reasonCodes.REFUSED, 'because', 0)
    const [answer] = sent()
    expect(answer).toMatchObject({ to: '10.0.0.2', localId: 3 })
    const packet = packetOf(answer!.bytes)!
    expect(packet.dstFlowId).toBe(77)
    expect(packet.control).toMatchObject({ flags: controlFlags.NACK, ackno: 42 })
    expect(packet.control?.nonce).toEqual(asked.packet.control?.nonce)
    expect(packet.extension('reason')).toMatchObject({ code: reasonCodes.REFUSED, detail: 'because' })
    answers.refuse(asked, asked.remote, reasonCodes.REFUSED, 'x'.repeat(240), 0)
    expect(sent()[0]!.bytes.length).toBeLessThanOrEqual(asked.buffer.length)
  })
})

describe('the answer to a trace', () => {
  const traced = (address: string, more: readonly Extension[] = []) => {
    const { answers, sent } = desk()
    const asked = arrival(
      [control(controlFlags.SYN, 41, 0), service(serviceIdOf('a.example')), trace(), ...more],
      '10.0.0.2',
    )
    answers.refuse(
      { ...asked, local: { ...local, endpoint: endpoint(address, 65_535) } },
      asked.remote,
      1,
      'x',
      0,
    )
    const { bytes } = sent()[0]!
    const who = packetOf(bytes)!.extensions.find(isTrace)
    return { from: who && answererOf(who), bytes: bytes.length, askedBytes: asked.buffer.length }
  }

  it('says who gives it', () => {
    expect(traced('10.0.0.1').from).toEqual(endpoint('10.0.0.1', 65_535))
    expect(traced('fe80::1%eth0', [key(keyModes.PLAIN, new Uint8Array(16))]).from).toEqual(
      endpoint('fe80::1', 65_535),
    )
  })

  it('does not where it would be larger than what it answers', () => {
    const { from, bytes, askedBytes } = traced('2001:db8:1234:5678:9abc:def0:1234:5678')
    expect(from).toBeUndefined()
    expect(bytes).toBeLessThanOrEqual(askedBytes)
  })
})

describe('a reset', () => {
  it('goes from the flowID that is not here to the one that asked, without TAG, and is small', () => {
    const { answers, sent } = desk()
    const asked = arrival([], '10.0.0.2', 55)
    answers.reset(asked, 0)
    const [answer] = sent()
    expect(summarize(answer!.bytes)).toBe('RST')
    expect(packetOf(answer!.bytes)).toMatchObject({ srcFlowId: 55, dstFlowId: 77 })
    expect(answer!.bytes.length).toBeLessThanOrEqual(3 * asked.buffer.length)
  })
})

describe('a flood', () => {
  it('from one address draws two hundred answers, then two hundred a second, and others are still answered', () => {
    const { answers, sent, counts } = desk()
    let answered = 0
    for (let i = 0; i < 10_000; i++) {
      answers.reset(arrival([], '10.0.0.2', 55), i / 10)
      answered += sent().length
    }
    expect(answered).toBe(200 + 199)
    expect(counts.filter(counter => counter === 'answerLimited')).toHaveLength(10_000 - answered)
    answers.reset(arrival([], '10.7.0.3', 55), 1000)
    expect(sent()).toHaveLength(1)
  })

  it('from ever new addresses fills a queue of its cap, no more', () => {
    const { answers } = desk()
    for (let i = 0; i < 5000; i++) {
      const asked = syn(`10.${i >> 8}.${i & 255}.1`)
      answers.refuse(asked, asked.remote, reasonCodes.OVERLOAD, '', 0)
    }
    expect(answers.size).toBe(ANSWERS_LIMIT)
  })
})
