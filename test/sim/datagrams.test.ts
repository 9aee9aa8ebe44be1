/** Flows of datagrams that move over links that lose, double and reorder: what comes was sent, and once all is well all comes. */
import { describe, expect, it } from 'vitest'
import { replay } from '../support/random.ts'
import { simulate } from '../support/simulator/world.ts'

const FILE = 'test/sim/datagrams.test.ts'
const SEEDS = process.env.SERVAL_TEST_FULL ? 1000 : 50
const SERVICE = 'game.example'

/** Ten moves under faults, then ten messages each way without. Returns what went wrong. */
function play(seed: number): string | undefined {
  const world = simulate(seed)
  const faults = { delayMs: 10, loss: 0.1, duplicate: 0.05, reorder: 0.1 }
  const links = [world.link('home', faults), world.link('wifi', faults), world.link('cell', faults)]
  const server = world.host('server', links[0]!)
  const client = world.host('client', links[0]!).knows(SERVICE, server)
  server.bind(SERVICE)
  const flow = client.connectDatagrams(SERVICE)
  world.run(9000)
  const peer = server.peers[0]
  if (peer === undefined) return 'not connected'
  let sent = 0
  for (let move = 1; move <= 10; move++) {
    const before = client.attached
    const port = client.attach(links[move % links.length]!)
    if (world.random.chance(0.5)) client.migrate(flow, port)
    for (let i = 0; i < 20; i++) {
      flow.send(`up ${sent}`)
      peer.send(`down ${sent++}`)
      world.run(world.random.below(40))
    }
    // The old address goes, whether the move is done or not.
    for (const old of before) client.detach(old)
    world.run(world.random.below(2000))
  }
  const strangers = [...peer.received, ...flow.received].filter(text => !/^(up|down) \d+$/.test(text))
  if (strangers.length > 0) return `not sent: ${strangers[0]}`
  world.settle(() => flow.state === 'CONNECTED' && flow.flow.migrationState === 'INITIAL', 60_000)
  world.run(20_000)
  const [ups, downs] = [peer.received.length, flow.received.length]
  for (let i = 0; i < 10; i++) {
    flow.send('up 0')
    peer.send('down 0')
  }
  world.run(1000)
  const came = [peer.received.length - ups, flow.received.length - downs]
  return came.join() === '10,10' ? undefined : `of ten each way came ${came}; ${flow.state} ${peer.state}`
}

describe('a flow of datagrams survives', () => {
  const first = Number(process.env.SERVAL_SEED ?? 1)
  const last = process.env.SERVAL_SEED === undefined ? SEEDS : first
  it(`the moves of seeds ${first} to ${last}`, () => {
    for (let seed = first; seed <= last; seed++) expect(play(seed), replay(FILE, seed)).toBeUndefined()
  })
})
