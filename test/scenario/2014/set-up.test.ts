/** Set-up in the 2014 profile (src/wire/README.md, A8), where packets are lost and servers say nothing. Links take 10 ms. */
import { expect, it } from 'vitest'
import { dialect2014 } from '../../../src/sal/dialect-2014.ts'
import { connection, pair, SERVICE } from '../../support/simulator/scenes.ts'
import { simulate } from '../../support/simulator/world.ts'

it('repeats a lost third ACK early where an answer is waited for', () => {
  const { world, client, accepted } = pair({ dialect: dialect2014 })
  world.lose('client > server ACK service')
  const flow = client.connect(SERVICE)
  world.runUntil(() => flow.isConnected, 1_000)
  flow.send(100)
  const sinceMs = world.nowMs
  expect(world.runUntil(() => accepted[0]?.receivedBytes === 100, 1_000)).toBe(true)
  expect(world.nowMs - sinceMs).toBeLessThan(500)
})

it('repeats a lost third ACK though the client has nothing to say', () => {
  const { world, client, accepted } = pair({ dialect: dialect2014 })
  world.lose('client > server ACK service')
  client.connect(SERVICE)
  expect(world.runUntil(() => accepted.length === 1, 2_000)).toBe(true)
})

it('leaves a server alone that says nothing for a second', () => {
  const { world } = connection({ dialect: dialect2014 })
  world.run(800)
  expect(world.exchange()).toEqual([])
})

it('does not repeat the third ACK once the server has forgotten the SYN', () => {
  const { world, client } = pair({ dialect: dialect2014 })
  world.lose('client > server ACK service', 100)
  client.connect(SERVICE)
  world.run(3_000)
  expect(world.exchange()).toContain('client > server ACK service (intercepted)')
  world.run(30_000)
  expect(world.exchange()).toEqual([])
})

it('answers a third ACK of connected datagrams that comes again, so that it comes no more', () => {
  const world = simulate(1, { trace: true, dialect: dialect2014 })
  const net = world.link('net', { delayMs: 10 })
  const server = world.host('server', net)
  const client = world.host('client', net).knows(SERVICE, server)
  server.bind(SERVICE)
  client.connectDatagrams(SERVICE)
  world.run(10_000)
  expect(world.exchange()).toEqual([
    'client > server SYN',
    'server > client SYN+ACK',
    'client > server ACK service',
    'client > server ACK service',
    'server > client ACK',
  ])
})
