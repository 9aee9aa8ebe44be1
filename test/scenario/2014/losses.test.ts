/**
 * Two of our ends in the 2014 profile on virtual time: connect, data both ways, a move, data again, an orderly close, and
 * each packet of that lost once. Links take 10 ms each way.
 */
import { expect, it } from 'vitest'
import { dialect2014 } from '../../../src/sal/dialect-2014.ts'
import { pair, SERVICE } from '../../support/simulator/scenes.ts'

/** What a life without losses is, one packet a line. */
const PACKETS = [
  'client > server SYN',
  'server > client SYN+ACK',
  'client > server ACK service',
  'client > server data 1448',
  'client > server data 1448',
  'client > server data 1104',
  'server > client data 1448',
  'server > client data 1448',
  'server > client data 1104',
  'server > client ack',
  'client > server ack',
  'client/net2 > server RSYN',
  'server > client/net2 RSYN+ACK',
  'client > server ack',
  'client/net2 > server ACK',
  'client/net2 > server ack',
  'server > client/net2 ack',
  'server > client/net2 data 1000',
  'client/net2 > server data 1000',
  'client/net2 > server fin',
  'server > client/net2 ack',
  'client/net2 > server FIN',
  'server > client/net2 ACK',
  'server > client/net2 fin',
  'client/net2 > server ack',
  'server > client/net2 FIN',
  'client/net2 > server ACK',
]

/** The life of one flow, in which packet number `lost`, from 1, does not arrive; 0: none. Returns the exchange. */
function live(lost: number): string[] {
  const { world, client, server, accepted } = pair({ dialect: dialect2014 })
  let packets = 0
  world.network.interceptors.push(() => ++packets === lost)
  const reaches = (done: () => boolean, limitMs = 30_000) => expect(world.runUntil(done, limitMs)).toBe(true)

  const flow = client.connect(SERVICE).send(4000)
  reaches(() => accepted.length > 0)
  const served = accepted[0]!.send(4000)
  reaches(() => flow.receivedBytes === 4000 && served.receivedBytes === 4000)

  client.migrate(flow, client.attach(world.link('net2', { delayMs: 10 })))
  reaches(() => flow.moves > 0 && served.moves > 0)
  flow.send(1000)
  served.send(1000)
  reaches(() => flow.receivedBytes === 5000 && served.receivedBytes === 5000, 1_000)

  flow.end()
  reaches(() => served.isEnded, 1_000)
  served.end()
  // TIMEWAIT is a minute (A13); who is gone does not acknowledge a FIN again, which is repeated three times.
  reaches(() => flow.isClosed && served.isClosed, 65_000)
  expect([flow.error, served.error]).toEqual([undefined, undefined])
  expect([client.sal.flows.size, server.sal.flows.size]).toEqual([0, 0])
  return world.exchange()
}

it('a life without losses', () => {
  expect(live(0)).toEqual(PACKETS)
})

it.each(PACKETS.map((packet, i) => [i + 1, packet] as const))(
  'comes to its orderly end though packet %i is lost, %s',
  (number, packet) => {
    expect(live(number)[number - 1]).toBe(`${packet} (intercepted)`)
  },
)
