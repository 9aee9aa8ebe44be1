/** What flow control promises to readers that are slow, or do not read, and to those who write to them. */
import { describe, expect, it } from 'vitest'
import { connection } from '../support/simulator/scenes.ts'

const MIB = 1 << 20

describe('flow control', () => {
  const small = { receiveBufferBytes: 65_536 }

  it('stops a writer whose reader does not read, and lets it go on', () => {
    const { world, flow, served } = connection({ client: { limits: small } })
    flow.pause()
    served.send(MIB).end()
    world.run(60_000)
    expect(flow.flow.readableBytes).toBe(65_536)
    expect(flow.receivedBytes).toBe(0)
    flow.resume()
    world.run(5000)
    expect(flow.receivedBytes).toBe(MIB)
    expect(flow.isEnded).toBe(true)
  })

  it('serves a slow reader at its own pace', () => {
    const { world, flow, served } = connection({ client: { limits: small } })
    flow.pause()
    served.send(MIB).end()
    const read = () => {
      flow.readOne()
      world.after(5, read)
    }
    read()
    expect(world.runUntil(() => flow.receivedBytes === MIB, 120_000)).toBe(true)
  })

  it('outlives the loss of the packet that opens the window', () => {
    const { world, flow, served } = connection({ client: { limits: small } })
    flow.pause()
    served.send(MIB)
    world.run(5000)
    world.lose('client > server ack', 1)
    flow.resume()
    world.run(20_000)
    expect(flow.receivedBytes).toBe(MIB)
  })

  it('holds the writing program at the send buffer’s mark', () => {
    const { world, flow, served } = connection({ server: { limits: { sendBufferBytes: 100_000 } } })
    flow.pause()
    served.send(20 * MIB)
    world.run(5000)
    expect(served.flow.writable).toBe(false)
    // The client's 4 MiB, ours, and the chunk that went over the mark.
    expect(served.sentBytes).toBeLessThanOrEqual(4 * MIB + 100_000 + 65_536)
    flow.resume()
    world.run(20_000)
    expect(flow.receivedBytes).toBe(20 * MIB)
  })
})
