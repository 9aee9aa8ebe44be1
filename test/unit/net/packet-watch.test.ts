import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { PacketTap } from '../../../src/net/links/link.ts'
import { watchPackets } from '../../../src/net/packet-client.ts'
import type { StackStatus } from '../../../src/net/status.ts'
import { StatusServer } from '../../../src/net/status-server.ts'
import { PcapReader } from '../../../src/wire/pcap.ts'

const FROM = { address: '10.0.0.1', port: 7000 }
const TO = { address: '10.0.0.2', port: 8000 }

let base: string
let server: StatusServer
let tap: PacketTap | undefined
let ending: AbortController
beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), 'serval-watch-'))
  tap = undefined
  ending = new AbortController()
  const answer = (): StackStatus => {
    throw new Error('only packets are asked for here')
  }
  const packets = {
    isRawIp: false,
    setTap: (given: PacketTap | undefined) => {
      tap = given
    },
  }
  server = new StatusServer(join(base, '1-00000001.sock'), { answer, packets })
  await server.open()
})
afterEach(() => {
  ending.abort()
  server.close()
  rmSync(base, { recursive: true, force: true })
})

/** Watches; what it returns has the last byte of each packet that is seen next, and how many were lost. */
async function watching() {
  const reader = new PcapReader()
  const answers = watchPackets(server.path, ending.signal)
  const next = async () => {
    const { value } = await answers.next()
    if (value === undefined) return undefined
    const packets = reader.push(value.bytes)
    if (typeof packets === 'string') throw new Error(packets)
    return { seen: packets.map(({ bytes }) => bytes.at(-1)), lost: value.lost }
  }
  expect(await next()).toEqual({ seen: [], lost: 0 })
  return next
}

it('packets are seen from the moment on at which they are asked for', async () => {
  const next = await watching()
  tap!.show(Uint8Array.of(1), 1, FROM, TO)
  tap!.show(Uint8Array.of(2, 99), 1, TO, FROM)
  expect(await next()).toEqual({ seen: [1, 2], lost: 0 })
  tap!.miss(5)
  expect(await next()).toEqual({ seen: [], lost: 5 })
})

it('nobody looks any more when the last viewer has gone', async () => {
  await watching()
  ending.abort()
  await vi.waitFor(() => expect(tap).toBeUndefined(), 60_000)
})

it('what passes last is seen before the process is gone', async () => {
  const next = await watching()
  tap!.show(Uint8Array.of(7), 1, FROM, TO)
  server.close()
  expect(await next()).toEqual({ seen: [7], lost: 0 })
  expect(await next()).toBeUndefined()
})
