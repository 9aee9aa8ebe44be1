/** Two stacks and what programs do with them, over each kind of link. */
import { createHash, randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FlowSignal } from '../../../src/flow/states.ts'
import { nowMs } from '../../../src/net/clock.ts'
import { MemoryNetwork } from '../../../src/net/links/memory-link.ts'
import { nameOfTarget } from '../../../src/net/names.ts'
import type { ServiceTarget, StackListener } from '../../../src/net/stack.ts'
import { accepting, echo, FlowEnd, pour } from '../../support/net/flow-end.ts'
import { networkKinds, Stacks } from '../../support/net/stacks.ts'

const MIB = 1 << 20

/** Whether somebody who wants the port of a host gets to a listener. */
function leadsTo(listener: StackListener, target: ServiceTarget): boolean {
  return listener.status.serviceIds.includes(nameOfTarget(target).id.toString())
}

const WAIT = { timeout: 60_000 }

let stacks: Stacks
beforeEach(() => {
  stacks = new Stacks()
})
afterEach(() => stacks.close())

describe.each(networkKinds())('stacks over %s', (_kind, optionsOf) => {
  const open = (index: number) => stacks.open(optionsOf(index))

  it('meet by name, and bytes go each way', async () => {
    const [server, client] = [open(1), open(2)]
    await accepting(server, 'web.example', echo)
    const end = FlowEnd.connect(client, 'web.example')
    await end.seen(FlowSignal.connected)
    end.end('hello')
    expect(await end.closed()).toBeUndefined()
    expect(end.text).toBe('hello')
  })

  it('carry 8 MiB that are the same at the other end', async () => {
    const [server, client] = [open(1), open(2)]
    const pattern = randomBytes(65_536)
    const hash = createHash('sha256')
    const ended = new Promise<number>(resolve =>
      accepting(server, 'sink.example', end => {
        end.keeps = false
        end.onChunk = chunk => hash.update(chunk)
        void end.seen(FlowSignal.end).then(() => {
          end.end()
          resolve(end.bytes)
        })
      }).then(() => pour(FlowEnd.connect(client, 'sink.example'), pattern, 8 * MIB)),
    )
    expect(await ended).toBe(8 * MIB)
    const expected = createHash('sha256')
    for (let i = 0; i < 128; i++) expected.update(pattern)
    expect(hash.digest('hex')).toBe(expected.digest('hex'))
  })

  it('stop sending to a program that does not read', async () => {
    const [server, client] = [open(1), open(2)]
    let accept: (end: FlowEnd) => void
    const accepted = new Promise<FlowEnd>(resolve => {
      accept = resolve
    })
    await accepting(server, 'slow.example', end => {
      end.keeps = false
      end.paused = true
      accept(end)
    })
    const sender = FlowEnd.connect(client, 'slow.example')
    sender.write(randomBytes(16 * MIB))
    const failed = sender.closed().then(error => Promise.reject(error))
    const slow = await Promise.race([accepted, failed])
    // What a flow has at first: it would only be more for a program that reads.
    const limit = MIB / 4
    // The sender is given the time of many round trips.
    while (slow.flow.readableBytes < limit / 2) await Promise.race([new Promise(setImmediate), failed])
    expect(slow.flow.readableBytes).toBeLessThanOrEqual(limit)
    slow.resume()
    await slow.until(() => slow.bytes === 16 * MIB)
  })

  it('know a service of their own', async () => {
    const stack = open(1)
    await accepting(stack, 'own.example', echo)
    const end = FlowEnd.connect(stack, 'own.example')
    end.end('to myself')
    expect(await end.closed()).toBeUndefined()
    expect(end.text).toBe('to myself')
  })

  it('tell who serves nothing from who serves', async () => {
    const [server, client] = [open(1), open(2)]
    await accepting(server, 'web.example', echo)
    const error = await FlowEnd.connect(client, 'nobody.example').closed()
    expect(error).toMatchObject({ code: 'ENOROUTER', service: 'nobody.example' })
    expect(error?.message).toContain(`runtime directory ${stacks.runtimeDir}`)
    expect(error?.message).toContain('serval router')
  })

  it('refuse at once where a port of this host is not served', async () => {
    const error = await FlowEnd.connect(open(1), { port: 8080 }).closed()
    expect(error).toMatchObject({ code: 'ECONNREFUSED', service: '8080.localhost.inet' })
  })

  it('end a flow with ECONNRESET when its peer resets it', async () => {
    const [server, client] = [open(1), open(2)]
    await accepting(server, 'web.example', end => {
      end.flow.reset(nowMs())
    })
    expect(await FlowEnd.connect(client, 'web.example').closed()).toMatchObject({ code: 'ECONNRESET' })
  })

  it('take no more flows once a listener is closed, and let the others go on', async () => {
    const [server, client] = [open(1), open(2)]
    const listener = await accepting(server, 'web.example', echo)
    const end = FlowEnd.connect(client, 'web.example')
    end.write('still ')
    await end.until(() => end.text === 'still ')
    await listener.close()
    expect(server.services()).toEqual([])
    expect(await FlowEnd.connect(client, 'web.example').closed()).toMatchObject({ code: 'ECONNREFUSED' })
    end.end('here')
    await end.closed()
    expect(end.text).toBe('still here')
  })
})

describe('services of one host', () => {
  it('cannot be served twice by one program', async () => {
    const stack = stacks.open()
    await accepting(stack, 'web.example', echo)
    await expect(accepting(stack, 'web.example', echo)).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: expect.stringContaining(`pid ${process.pid}`),
    })
  })

  it('are shared by several programs under one name', async () => {
    const [one, two, client] = [stacks.open(), stacks.open(), stacks.open()]
    const took = new Set<unknown>()
    for (const stack of [one, two]) {
      await accepting(stack, 'web.example', end => {
        took.add(end.stack)
        echo(end)
      })
    }
    while (took.size < 2) {
      const end = FlowEnd.connect(client, 'web.example')
      end.end()
      expect(await end.closed()).toBeUndefined()
    }
  })

  it('are a port for one program alone, and the other is told by whom it is taken', async () => {
    await accepting(stacks.open(), { port: 8080 }, echo)
    await expect(accepting(stacks.open(), { port: 8080 }, echo)).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: expect.stringContaining(`pid ${process.pid}`),
    })
  })

  it('are a port for exactly one of many programs that want it at once', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, () => accepting(stacks.open(), { port: 8080 }, echo)),
    )
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it('are a port for one program alone on systems that can only ask the others, too', async () => {
    const platform = Object.getOwnPropertyDescriptor(process, 'platform')!
    const [one, two] = [stacks.open(), stacks.open()]
    await Promise.all([one.ready, two.ready])
    Object.defineProperty(process, 'platform', { ...platform, value: 'darwin' })
    try {
      const listener = await accepting(one, { port: 8080 }, echo)
      await expect(accepting(two, { port: 8080 }, echo)).rejects.toMatchObject({
        code: 'EADDRINUSE',
        message: expect.stringContaining(`pid ${process.pid}`),
      })
      await listener.close()
      await accepting(two, { port: 8080 }, echo)
    } finally {
      Object.defineProperty(process, 'platform', platform)
    }
  })

  it('are a port at one address beside nobody who has it at all of them, whoever is first', async () => {
    const network = new MemoryNetwork()
    const open = () => stacks.open({ network: network.host(`10.0.0.${++hosts}`) })
    let hosts = 0
    const [one, two] = [open(), open()]
    const everywhere = await accepting(one, { port: 8080 }, echo)
    const here = { port: 8080, host: '10.0.0.1' }
    await expect(accepting(two, here, echo)).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await everywhere.close()
    await accepting(two, here, echo)
    await expect(accepting(one, { port: 8080 }, echo)).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await accepting(one, { port: 8081 }, echo)
  })

  it('are a port at an address that comes later, too, as long as it is there', async () => {
    const network = new MemoryNetwork()
    const host = network.host('10.0.0.1')
    const [one, two] = [stacks.open({ network: host }), stacks.open({ network: network.host('10.0.0.2') })]
    const listener = await accepting(one, { port: 8080 }, echo)
    const there = { port: 8080, host: '10.0.0.9' }
    host.setAddresses('10.0.0.1', '10.0.0.9')
    await vi.waitUntil(() => leadsTo(listener, there), WAIT)
    await expect(accepting(two, there, echo)).rejects.toMatchObject({ code: 'EADDRINUSE' })
    host.setAddresses('10.0.0.1')
    await vi.waitUntil(() => !leadsTo(listener, there), WAIT)
    const other = await accepting(two, there, echo)
    host.setAddresses('10.0.0.1', '10.0.0.9')
    await vi.waitUntil(() => one.endpoints.length === 2, WAIT)
    await listener.close()
    expect(leadsTo(listener, there)).toBe(false)
    await other.close()
    await accepting(two, there, echo)
  })

  it('are a port of streams beside the same one of datagrams', async () => {
    await accepting(stacks.open(), { port: 8080 }, echo)
    const datagrams = { datagrams: { onMessages: () => undefined } }
    const refuse = () => {
      throw new Error('no flow was asked for')
    }
    await stacks.open().listen({ port: 8080 }, datagrams, refuse)
    await expect(stacks.open().listen({ port: 8080 }, datagrams, refuse)).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
  })

  it('are a port that is free as soon as it is closed, and that a failed attempt does not keep', async () => {
    const [one, two] = [stacks.open(), stacks.open()]
    for (const stack of [one, two, one]) {
      const listener = await accepting(stack, { port: 8080 }, echo)
      await expect(accepting(two, { port: 8080 }, echo)).rejects.toMatchObject({ code: 'EADDRINUSE' })
      await listener.close()
    }
  })

  it('get a free port when they ask for none', async () => {
    const [server, client] = [stacks.open(), stacks.open()]
    const { port } = await accepting(server, { port: 0 }, echo)
    expect(port).toBeGreaterThanOrEqual(49_152)
    const end = FlowEnd.connect(client, { port: port! })
    end.end('by port')
    await end.closed()
    expect(end.text).toBe('by port')
  })

  it('are a port at every address of the host', async () => {
    const network = new MemoryNetwork()
    const [server, client] = [
      stacks.open({ network: network.host('10.0.0.1', 'fd00::1') }),
      stacks.open({ network: network.host('10.0.0.2', 'fd00::2') }),
    ]
    await accepting(server, { port: 8080 }, echo)
    for (const host of ['10.0.0.1', 'fd00::1', 'localhost', '127.0.0.1']) {
      const end = FlowEnd.connect(client, { port: 8080, host })
      end.end(host)
      await end.closed()
      expect(end.text).toBe(host)
    }
  })
})

describe('a flow', () => {
  it('moves to another loopback address in the middle of a transfer, and the peer confirms it', async () => {
    const [server, client] = [stacks.open({ bind: '127.0.0.1' }), stacks.open({ bind: '127.0.0.1' })]
    const pattern = randomBytes(65_536)
    let moving: Promise<void> | undefined
    await accepting(server, 'source.example', end => void pour(end, pattern, 16 * MIB))
    const end = FlowEnd.connect(client, 'source.example')
    let isSame = true
    let at = 0
    end.keeps = false
    end.onChunk = chunk => {
      for (const byte of chunk) if (byte !== pattern[at++ % pattern.length]) isSame = false
      if (at > 4 * MIB) moving ??= client.migrate(end.flow, { address: '127.0.0.2' })
    }
    await end.seen(FlowSignal.end)
    await moving
    expect(end.flow.activePath?.local.endpoint.address).toBe('127.0.0.2')
    expect({ at, isSame }).toEqual({ at: 16 * MIB, isSame: true })
  })

  it('does not move to an address that the host does not have, and says which it has', async () => {
    const [server, client] = [stacks.open(), stacks.open()]
    await accepting(server, 'web.example', echo)
    const end = FlowEnd.connect(client, 'web.example')
    await end.seen(FlowSignal.connected)
    const refused = { code: 'EADDRNOTAVAIL', message: expect.stringContaining('127.0.0.1') }
    await expect(client.migrate(end.flow, { address: '198.51.100.99' })).rejects.toMatchObject(refused)
    await expect(client.migrate(end.flow, { interface: 'nosuch0' })).rejects.toMatchObject({
      code: 'EADDRNOTAVAIL',
      message: expect.stringContaining('lo'),
    })
  })

  it('does not move before it is set up', async () => {
    const client = stacks.open()
    const end = FlowEnd.connect(client, 'nobody.example')
    await expect(client.migrate(end.flow, { address: '127.0.0.1' })).rejects.toMatchObject({
      code: 'ERR_SOCKET_CLOSED',
    })
  })

  it('goes on from another address by itself when its own goes', async () => {
    const network = new MemoryNetwork()
    const host = network.host('10.0.0.2', '10.0.0.3')
    const [server, client] = [
      stacks.open({ network: network.host('10.0.0.1') }),
      stacks.open({ network: host }),
    ]
    await accepting(server, 'web.example', echo)
    const end = FlowEnd.connect(client, 'web.example')
    await end.seen(FlowSignal.connected)
    const { address } = end.flow.activePath!.local.endpoint
    host.setAddresses(address === '10.0.0.2' ? '10.0.0.3' : '10.0.0.2')
    end.write('from elsewhere')
    await end.until(() => end.text === 'from elsewhere')
    expect(end.flow.activePath?.local.endpoint.address).not.toBe(address)
  })

  it('says so when the peer does not answer at the address that was asked for, and goes on from its own', async () => {
    const network = new MemoryNetwork()
    const host = network.host('10.0.0.2', '10.0.0.3')
    const [server, client] = [
      stacks.open({ network: network.host('10.0.0.1') }),
      stacks.open({ network: host }),
    ]
    await accepting(server, 'web.example', echo)
    const end = FlowEnd.connect(client, 'web.example')
    await end.seen(FlowSignal.connected)
    const { address: home } = end.flow.activePath!.local.endpoint
    const dead = home === '10.0.0.2' ? '10.0.0.3' : '10.0.0.2'
    const carry = network.carry.bind(network)
    network.carry = (batch, from) => from.address !== dead && carry(batch, from)
    await expect(client.migrate(end.flow, { address: dead })).rejects.toMatchObject({
      code: 'EHOSTUNREACH',
      message: expect.stringContaining(home),
    })
    end.end('from home')
    await end.until(() => end.text === 'from home')
  })

  it('waits without any address, and goes on when there is one again', async () => {
    const network = new MemoryNetwork()
    const host = network.host('10.0.0.2')
    const [server, client] = [
      stacks.open({ network: network.host('10.0.0.1') }),
      stacks.open({ network: host }),
    ]
    await accepting(server, 'web.example', echo)
    const end = FlowEnd.connect(client, 'web.example')
    await end.seen(FlowSignal.connected)
    host.setAddresses()
    await end.seen(FlowSignal.stalled)
    end.write('later')
    host.setAddresses('10.0.0.7')
    await end.until(() => end.text === 'later')
    expect(end.flow.activePath?.local.endpoint.address).toBe('10.0.0.7')
  })
})

describe('closing a stack', () => {
  it('lets flows finish within the time given', async () => {
    const [server, client] = [stacks.open(), stacks.open()]
    await accepting(server, 'web.example', echo)
    const end = FlowEnd.connect(client, 'web.example')
    await end.seen(FlowSignal.connected)
    const closing = client.close({ graceMs: 10_000 })
    end.end('last words')
    await closing
    expect(end.text).toBe('last words')
    expect(end.flow.error).toBeUndefined()
  })

  it('resets what has not finished', async () => {
    const [server, client] = [stacks.open(), stacks.open()]
    const accepted = new Promise<FlowEnd>(resolve => void accepting(server, 'web.example', resolve))
    await server.ready
    const end = FlowEnd.connect(client, 'web.example')
    await end.seen(FlowSignal.connected)
    await client.close()
    expect(await (await accepted).closed()).toMatchObject({ code: 'ECONNRESET' })
  })
})
