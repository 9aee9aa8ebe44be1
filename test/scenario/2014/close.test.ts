/** The end of flows in the 2014 profile (src/wire/README.md, A10), where the peer misses the last ACK. Links take 10 ms. */
import { describe, expect, it } from 'vitest'
import { dialect2014 } from '../../../src/sal/dialect-2014.ts'
import { controlFlags } from '../../../src/wire/extensions/control.ts'
import { seal } from '../../support/replay-2014.ts'
import type { Packet } from '../../support/simulator/network.ts'
import { connection } from '../../support/simulator/scenes.ts'

/** Offsets in a packet whose first extension is control. */
const FLAGS = 34
const VERNO = 36
const NONCE = 44

describe('a FIN of the peer that comes when the flow is gone', () => {
  it('is answered with ACK, so that it comes no more', () => {
    const { world, flow, served } = connection({ dialect: dialect2014 })
    world.lose('server > client ACK')
    flow.end()
    world.run(50)
    served.end()
    expect(world.runUntil(() => served.isClosed, 1_000)).toBe(true)
    expect(served.error).toBeUndefined()
    world.exchange()
    expect(world.runUntil(() => flow.state === 'TIMEWAIT', 1_000)).toBe(true)
    expect(world.exchange()).toEqual(['client > server FIN', 'server > client ACK'])
  })

  it('is answered as often as it comes, for a minute after the last time', () => {
    const { world, fin } = ended()
    for (const waitMs of [0, 59_000, 59_000, 61_000]) {
      world.run(waitMs)
      world.inject(fin)
      world.run(100)
    }
    expect(world.exchange()).toEqual([
      'client > server FIN',
      'server > client ACK',
      'client > server FIN',
      'server > client ACK',
      'client > server FIN',
      'server > client ACK',
      'client > server FIN',
    ])
  })

  it.each([
    ['that has a number which is not the old one', VERNO],
    ['of somebody who does not know the nonce', NONCE],
    ['that is none', FLAGS],
  ])('is not answered if it is one %s', (_name, offset) => {
    const { world, fin } = ended()
    const bytes = fin.bytes.slice()
    if (offset === FLAGS) bytes[FLAGS] = controlFlags.ACK
    else bytes[offset] = bytes[offset]! ^ 0x40
    seal(bytes)
    world.inject({ ...fin, bytes })
    world.run(100)
    expect(world.exchange()).toHaveLength(1)
  })

  it('is not answered where the flow was reset', () => {
    const { world, flow, served } = connection({ dialect: dialect2014 })
    const fins: Packet[] = []
    world.intercept('client > server FIN', packet => fins.push(packet))
    flow.end()
    world.run(100)
    served.reset()
    world.run(100)
    world.exchange()
    world.inject(fins[0]!)
    world.run(100)
    expect(world.exchange()).toHaveLength(1)
  })
})

/** Both ends have ended, the server's flow is gone, and here is the client's FIN. */
function ended() {
  const { world, flow, served } = connection({ dialect: dialect2014 })
  const fins: Packet[] = []
  world.intercept('client > server FIN', packet => {
    fins.push(packet)
    world.inject(packet)
  })
  flow.end()
  world.run(100)
  served.end()
  world.run(1_000)
  expect([flow.state, served.state]).toEqual(['TIMEWAIT', 'CLOSED'])
  world.exchange()
  return { world, fin: fins[0]! }
}
