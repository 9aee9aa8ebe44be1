/** Bytes in the 2014 profile, whose window is 128 KiB at most (src/wire/README.md, A16.1). Links take 10 ms. */
import { expect, it } from 'vitest'
import { dialect2014 } from '../../../src/sal/dialect-2014.ts'
import { connection } from '../../support/simulator/scenes.ts'

it('an echo of 3 MB keeps the window full both ways', () => {
  const { world, flow, served } = connection({ dialect: dialect2014 })
  const bytes = 3_000_000
  let echoed = 0
  served.onEvent = () => {
    served.send(served.receivedBytes - echoed)
    echoed = served.receivedBytes
  }
  const sinceMs = world.nowMs
  flow.send(bytes)
  expect(world.runUntil(() => flow.receivedBytes === bytes, 60_000)).toBe(true)
  // So many windows, behind the doublings of slow start from ten segments.
  const roundTrips = (world.nowMs - sinceMs) / 20
  expect(roundTrips).toBeLessThan(bytes / 131_070 + 6)
  expect(flow.flow.info().retransmits + served.flow.info().retransmits).toBe(0)
})

it('says of its path what a packet has, IP header and all', () => {
  const { flow } = connection({ dialect: dialect2014 })
  expect(flow.flow.info().paths.map(({ mtu }) => mtu)).toEqual([1500])
})

it('who lets go of unread data ends its own stream, and then resets, as the original does', () => {
  const { world, flow, served } = connection({ dialect: dialect2014 })
  served.pause()
  flow.send(1000)
  world.run(300)
  world.exchange()
  served.close()
  world.run(100)
  const sent = world.exchange().filter(line => line.startsWith('server'))
  expect(sent).toEqual(['server > client fin', 'server > client ACK+RST'])
  expect(flow.error?.code).toBe('ECONNRESET')
})
