/** Hosts, a router and a controller over real sockets. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type RunningController, startController } from '../../../controller/index.ts'
import { FlowSignal } from '../../../src/flow/states.ts'
import type { RouterShell } from '../../../src/net/router-shell.ts'
import { parseRule } from '../../../src/service/rule-text.ts'
import { formatEndpoint } from '../../../src/wire/endpoint.ts'
import { accepting, echo, FlowEnd } from '../../support/net/flow-end.ts'
import { Stacks } from '../../support/net/stacks.ts'

let stacks: Stacks
beforeEach(() => {
  stacks = new Stacks()
})
afterEach(() => stacks.close())

/** One in the runtime directory alone, as on a host of its own. */
async function openController(): Promise<RunningController> {
  const runtimeDir = { path: stacks.runtimeDir }
  return stacks.add(await startController({ control: false, api: false, runtimeDir, leaseMs: 60_000 }))
}

async function openRouter(options = {}): Promise<{ router: RouterShell; address: string }> {
  const router = stacks.openRouter(options)
  await router.ready
  return { router, address: formatEndpoint(router.endpoints[0]!) }
}

async function echoOf(end: FlowEnd, text: string): Promise<string> {
  end.end(text)
  await end.closed()
  return end.text
}

describe('a router that is configured', () => {
  it('brings a SYN to who its rules say serves it, and nothing else of the flow', async () => {
    const { router, address } = await openRouter()
    const server = stacks.open({ bind: '127.0.0.1', router: address })
    await accepting(server, 'web.example', echo)
    const { prefix, rule } = parseRule(`*.example FORWARD ${formatEndpoint(server.endpoints[0]!)}`)
    router.serviceTable.insert(prefix, rule, { source: 'user' })
    const client = stacks.open({ router: address, bind: '127.0.0.1' })
    const end = FlowEnd.connect(client, 'web.example')
    expect(await echoOf(end, 'hello')).toBe('hello')
    expect(router.counters).toMatchObject({ packets: 1, forwarded: 1, misdirected: 0 })
    expect(end.flow.activePath?.remote).toEqual(server.endpoints[0])
  })

  it('takes rules as people write them', async () => {
    const { router } = await openRouter({ rules: ['web.example DROP moved', 'default FORWARD 127.0.0.9:7'] })
    const client = stacks.open({ router: formatEndpoint(router.endpoints[0]!), bind: '127.0.0.1' })
    const error = await FlowEnd.connect(client, 'web.example').closed()
    expect(error).toMatchObject({ code: 'EHOSTUNREACH', service: 'web.example' })
    expect(() => stacks.openRouter({ rules: ['web.example FORWARD nowhere'] })).toThrow(/nowhere/)
  })

  it('has its port to itself', async () => {
    const { address } = await openRouter()
    expect(() => stacks.openRouter({ bind: address })).toThrow(
      expect.objectContaining({ code: 'EADDRINUSE' }),
    )
  })

  it('answers at once for what nobody serves, and is named', async () => {
    const { address } = await openRouter()
    const client = stacks.open({ router: address, bind: '127.0.0.1' })
    const error = await FlowEnd.connect(client, 'nobody.example').closed()
    expect(error).toMatchObject({ code: 'ENOSERVICE', service: 'nobody.example' })
    expect(error?.message).toContain(address)
  })

  it('is missed where it is not, by its address', async () => {
    const { router, address } = await openRouter()
    await router.close()
    const client = stacks.open({ router: address, bind: '127.0.0.1' })
    const error = await FlowEnd.connect(client, 'web.example', 1500).closed()
    expect(error).toMatchObject({ code: 'ENOROUTER' })
    expect(error?.message).toContain(`router ${address}`)
  })

  it('is missed where its name leads nowhere', async () => {
    const client = stacks.open({ router: 'no-such-host.invalid', bind: '127.0.0.1' })
    const error = await FlowEnd.connect(client, 'web.example').closed()
    expect(error).toMatchObject({ code: 'ENOROUTER' })
    expect(error?.message).toContain('router no-such-host.invalid')
  })
})

describe('a controller of this host', () => {
  it('is found without configuration, and resolves names between hosts', async () => {
    await openController()
    const [server, client] = [stacks.open(), stacks.open()]
    await accepting(server, 'web.example', echo)
    expect(await echoOf(FlowEnd.connect(client, 'web.example'), 'through the controller')).toBe(
      'through the controller',
    )
  })

  it('says that nobody serves a name', async () => {
    await openController()
    const error = await FlowEnd.connect(stacks.open(), 'nobody.example').closed()
    expect(error).toMatchObject({ code: 'ENOSERVICE', service: 'nobody.example' })
    expect(error?.message).toContain('controller')
  })

  it('gives its rules to a router, by which hosts then resolve', async () => {
    await openController()
    const { router } = await openRouter()
    const [server, client] = [stacks.open(), stacks.open()]
    await accepting(server, 'web.example', echo)
    expect(await echoOf(FlowEnd.connect(client, 'web.example'), 'once')).toBe('once')
    // The first flow may have been resolved before the router was told of.
    do expect(await echoOf(FlowEnd.connect(client, 'web.example'), 'again')).toBe('again')
    while (router.counters.forwarded === 0)
  })

  it('is asked by a router whose rule says to wait', async () => {
    await openController()
    const server = stacks.open()
    await accepting(server, 'web.example', echo)
    const { router, address } = await openRouter({ rules: ['*.example DELAY'] })
    const client = stacks.open({ router: address })
    expect(await echoOf(FlowEnd.connect(client, 'web.example'), 'hello')).toBe('hello')
    const error = await FlowEnd.connect(client, 'nobody.example').closed()
    expect(error).toMatchObject({ code: 'ENOSERVICE' })
    expect(router.counters.delayed).toBeGreaterThan(0)
  })

  it('lets a router forward as long as it is asked while it ends', async () => {
    await openController()
    const { router, address } = await openRouter()
    const server = stacks.open()
    await accepting(server, 'web.example', echo)
    const client = stacks.open({ router: address })
    expect(await echoOf(FlowEnd.connect(client, 'web.example'), 'before')).toBe('before')
    const closing = router.close({ graceMs: 10_000 })
    expect(await echoOf(FlowEnd.connect(client, 'web.example'), 'meanwhile')).toBe('meanwhile')
    await closing
    expect(router.endpoints).toEqual([])
  })

  it('is told when a listener closes', async () => {
    await openController()
    const [server, client] = [stacks.open(), stacks.open()]
    const listener = await accepting(server, 'web.example', echo)
    await listener.close()
    const error = await FlowEnd.connect(client, 'web.example').closed()
    expect(error).toMatchObject({ code: 'ENOSERVICE' })
  })

  it('may come later', async () => {
    const [server, client] = [stacks.open(), stacks.open()]
    await accepting(server, 'web.example', echo)
    const controller = await openController()
    const end = FlowEnd.connect(client, 'web.example')
    expect(await echoOf(end, 'either way')).toBe('either way')
    await controller.close()
  })

  it('may die without a flow noticing', async () => {
    const controller = await openController()
    const [server, client] = [stacks.open(), stacks.open()]
    await accepting(server, 'web.example', echo)
    const end = FlowEnd.connect(client, 'web.example')
    await end.seen(FlowSignal.connected)
    await controller.close()
    expect(await echoOf(end, 'still here')).toBe('still here')
    expect(end.flow.error).toBeUndefined()
  })

  it('is told of ports by the addresses of their host, not of localhost', async () => {
    await openController()
    const server = stacks.open()
    const [address] = server.endpoints
    await accepting(server, { port: 8080 }, echo)
    const client = stacks.open()
    expect(await echoOf(FlowEnd.connect(client, { port: 8080, host: address!.address }), 'here')).toBe('here')
    expect(await echoOf(FlowEnd.connect(client, { port: 8080 }), 'local')).toBe('local')
  })
})

describe('a controller that is configured', () => {
  it('is waited for by who serves something', async () => {
    const early = await startController({ control: { address: '127.0.0.1', port: 0 }, api: false })
    const at = early.addresses.control!
    await early.close()
    const controller = formatEndpoint(at)
    const server = stacks.open({ controller })
    let isListening = false
    const listening = accepting(server, 'web.example', echo).then(() => {
      isListening = true
    })
    await server.ready
    expect(isListening).toBe(false)
    stacks.add(await startController({ control: at, api: false }))
    await listening
    const client = stacks.open({ controller })
    expect(await echoOf(FlowEnd.connect(client, 'web.example'), 'hello')).toBe('hello')
  })

  it('is named where it cannot be reached', async () => {
    const client = stacks.open({ controller: `unix:${stacks.runtimeDir}/nobody.sock` })
    const error = await FlowEnd.connect(client, 'web.example').closed()
    expect(error).toMatchObject({ code: 'ENOROUTER' })
    expect(error?.message).toContain('nobody.sock')
  })
})
