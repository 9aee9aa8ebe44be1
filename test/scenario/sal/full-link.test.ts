/** A link that takes no more for now: its flows wait but for control packets, others go on. Links take 10 ms each way. */
import { describe, expect, it } from 'vitest'
import { simulate } from '../../support/simulator/world.ts'

/** A client with two links, a server on each of them, and a flow to each; the exchange begins behind the set-up. */
function twoLinks() {
  const world = simulate(1, { trace: true })
  const links = [world.link('full', { delayMs: 10 }), world.link('free', { delayMs: 10 })]
  const servers = links.map(link => world.host(`${link.name}.server`, link))
  const client = world.host('client', links)
  const flows = servers.map(server => {
    server.listen(`${server.name}.example`)
    return client.knows(`${server.name}.example`, server).connect(`${server.name}.example`)
  })
  world.run(100)
  world.exchange()
  const [full, free] = flows
  const hold = (link: 'full' | 'free', isHeld: boolean) => {
    client.sal.hold(client.attached[link === 'full' ? 0 : 1]!.id, isHeld)
    client.wake()
  }
  return { world, client, full: full!, free: free!, hold }
}

describe('a full link', () => {
  it('keeps the data of its flows back, and not that of others', () => {
    const { world, full, free, hold } = twoLinks()
    const t = world.nowMs
    hold('full', true)
    full.send(100)
    free.send(100)
    world.run(5000)
    expect(world.timeline(t)).toEqual([
      '0 client/free > free.server data 100',
      '35 free.server > client/free ack',
    ])
  })

  it('lets go at once what waited, when there is room', () => {
    const { world, full, hold } = twoLinks()
    hold('full', true)
    full.send(100)
    world.run(5000)
    const t = world.nowMs
    hold('full', false)
    world.run(50)
    expect(world.timeline(t)).toEqual(['0 client > full.server data 100', '35 full.server > client ack'])
    expect(full.isDrained).toBe(true)
  })

  it('lets nothing go when there is room on another', () => {
    const { world, full, free, hold } = twoLinks()
    for (const link of ['full', 'free'] as const) hold(link, true)
    full.send(100)
    free.send(100)
    world.run(50)
    hold('free', false)
    world.run(50)
    expect(world.exchange()).toEqual(['client/free > free.server data 100', 'free.server > client/free ack'])
    hold('full', false)
    world.run(50)
    expect(world.exchange()).toEqual(['client > full.server data 100', 'full.server > client ack'])
  })

  it('has control packets sent all the same: a flow ends, another is set up', () => {
    const { world, client, full, hold } = twoLinks()
    hold('full', true)
    full.end()
    world.run(50)
    expect(world.exchange()).toEqual(['client > full.server ACK+FIN end 0', 'full.server > client ACK'])
    const other = client.connect('full.server.example')
    world.run(50)
    expect(other.isConnected).toBe(true)
  })
})
