/** What active sockets have and `node:net` has not: names, flows, moves; and how they use the stack below. */
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ServalError } from '../../../src/errors.ts'
import { type MemoryHost, MemoryNetwork } from '../../../src/net/links/memory-link.ts'
import type { Stack } from '../../../src/net/stack.ts'
import { connect, createServer, type ListenOptions, type Socket } from '../../../src/sockets/net.ts'
import { Stacks } from '../../support/net/stacks.ts'

let stacks: Stacks
let clientHost: MemoryHost
let client: Stack
let server: Stack
const sockets: Socket[] = []

beforeEach(() => {
  stacks = new Stacks()
  const network = new MemoryNetwork()
  clientHost = network.host('10.0.0.1', '10.0.0.2')
  client = stacks.open({ network: clientHost })
  server = stacks.open({ network: network.host('10.0.0.9') })
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await stacks.close()
})

/** A service at `server`, once it can be reached; yields its sockets. */
async function serve(options: ListenOptions = { service: 'web.example' }) {
  const listener = createServer({ stack: server })
  listener.listen(options)
  await once(listener, 'listening')
  return listener
}

/** Both ends of a connection from `client` to `server`. */
async function connected(): Promise<[near: Socket, far: Socket]> {
  const listener = await serve()
  const connection = once(listener, 'connection')
  const near = track(connect({ service: 'web.example', stack: client }))
  await once(near, 'ready')
  const [far] = (await connection) as [Socket]
  return [near, track(far)]
}

function track(socket: Socket): Socket {
  sockets.push(socket.on('error', () => undefined))
  return socket
}

describe('a server of a name', () => {
  it('is found by it', async () => {
    const [near, far] = await connected()
    near.end('hello')
    expect(String((await once(far, 'data'))[0])).toBe('hello')
  })

  it('tells the name with its address', async () => {
    const listener = await serve()
    const { port } = server.endpoints[0]!
    expect(listener.address()).toEqual({ address: '10.0.0.9', family: 'IPv4', port, service: 'web.example' })
  })

  it('passes weight, priority and backlog on', async () => {
    await serve({ service: 'web.example', weight: 3, priority: 2, backlog: 7 })
    const [status] = server.services()
    expect(status?.status).toMatchObject({ name: 'web.example', weight: 3, priority: 2 })
  })

  it('cannot listen where another one of this program does, and says so', async () => {
    await serve()
    const second = createServer({ stack: server }).listen('web.example')
    const [error] = await once(second, 'error')
    expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen', service: 'web.example' })
    expect(error.message).toContain(`this program (pid ${process.pid})`)
  })

  it.each([
    [{ weight: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ weight: Number.NaN }, 'ERR_OUT_OF_RANGE'],
    [{ weight: 'x' }, 'ERR_INVALID_ARG_TYPE'],
    [{ priority: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ priority: 'hi' }, 'ERR_INVALID_ARG_TYPE'],
  ])('refuses %j at once', (share, code) => {
    const listener = createServer({ stack: server })
    const options = { service: 'web.example', ...share } as never
    expect(() => listener.listen(options)).toThrow(expect.objectContaining({ code }))
    expect(listener.listening).toBe(false)
  })

  it('withdraws the name when it closes', async () => {
    const listener = await serve()
    listener.close()
    await once(listener, 'close')
    expect(server.services()).toEqual([])
    const late = track(connect({ service: 'web.example', stack: client }))
    const [error] = await once(late, 'error')
    expect(error.code).toMatch(/^(ENOROUTER|ECONNREFUSED)$/)
  })
})

describe('a socket that connects to a name', () => {
  it('tells of its flow', async () => {
    const [near, far] = await connected()
    expect(near.flow).toMatchObject({
      state: 'CONNECTED',
      role: 'client',
      service: 'web.example',
      security: 'plain',
      flowId: far.flow?.peerFlowId,
      peerFlowId: far.flow?.flowId,
    })
    expect(near.flow?.paths).toEqual([
      {
        local: expect.stringMatching(/^10\.0\.0\.[12]:\d+$/),
        remote: expect.stringMatching(/^10\.0\.0\.9:\d+$/),
        srttMs: expect.any(Number),
        cwnd: expect.any(Number),
        congestion: 'cubic',
        mtu: expect.any(Number),
        active: true,
      },
    ])
  })

  it('is steered by what it asks for, and its peer by what the server asks for', async () => {
    const listener = await serve({ service: 'web.example', congestion: 'bbr' })
    const connection = once(listener, 'connection')
    const near = track(connect({ service: 'web.example', stack: client }))
    await once(near, 'ready')
    const far = track((await connection)[0] as Socket)
    const next = track(connect({ service: 'web.example', stack: client, congestion: 'bbr' }))
    await once(next, 'ready')
    const names = [near, far, next].map(({ flow }) => flow?.paths[0]?.congestion)
    expect(names).toEqual(['cubic', 'bbr', 'bbr'])
  })

  it('is steered by what the stack is configured to, where nobody asks', async () => {
    await serve()
    const stack = stacks.open({ network: clientHost, congestion: 'bbr' })
    const socket = track(connect({ service: 'web.example', stack }))
    await once(socket, 'ready')
    expect(socket.flow?.paths[0]?.congestion).toBe('bbr')
  })

  it('refuses an algorithm that there is not, saying which there are', () => {
    const congestion = 'reno' as 'cubic'
    const refusal = expect.objectContaining({
      code: 'ERR_INVALID_ARG_VALUE',
      message: expect.stringContaining('cubic, bbr'),
    })
    expect(() => connect({ service: 'web.example', stack: client, congestion })).toThrow(refusal)
    expect(() => createServer({ stack: server }).listen({ service: 'web.example', congestion })).toThrow(
      refusal,
    )
  })

  it('tells the service with its address', async () => {
    const [near, far] = await connected()
    const { port } = server.endpoints[0]!
    expect(near.address()).toMatchObject({ family: 'IPv4', service: 'web.example' })
    expect(far.address()).toEqual({ address: '10.0.0.9', family: 'IPv4', port, service: 'web.example' })
    expect([near.remoteAddress, near.remotePort, near.remoteFamily]).toEqual(['10.0.0.9', port, 'IPv4'])
  })

  it('has no flow before and after', async () => {
    const socket = track(connect({ service: 'web.example', stack: client }))
    expect(socket.flow).toBeUndefined()
    socket.destroy()
    await once(socket, 'close')
    expect(socket.flow).toBeUndefined()
    await expect(socket.migrate({ address: '10.0.0.2' })).rejects.toMatchObject({ code: 'ERR_SOCKET_CLOSED' })
  })

  it('fails with ENOROUTER where nobody knows the name, which says what was tried', async () => {
    const [error] = await once(track(connect({ service: 'nobody.example', stack: client })), 'error')
    expect(error).toBeInstanceOf(ServalError)
    expect(error).toMatchObject({ code: 'ENOROUTER', syscall: 'connect', service: 'nobody.example' })
    expect(error.message).toContain(stacks.runtimeDir)
  })

  it('fails with ECONNREFUSED where nobody serves the port, with the reason', async () => {
    const [error] = await once(track(connect({ port: 99, stack: client })), 'error')
    expect(error).toMatchObject({
      code: 'ECONNREFUSED',
      errno: -111,
      syscall: 'connect',
      service: '99.localhost.inet',
      port: 99,
      reason: expect.any(String),
    })
    expect(error.message).toBe('connect ECONNREFUSED 127.0.0.1:99')
  })

  it('has the cause with ECONNREFUSED for a port of another host', async () => {
    const socket = track(connect({ port: 99, host: '10.0.0.77', stack: client }))
    const [error] = await once(socket, 'error')
    expect(error).toMatchObject({
      code: 'ECONNREFUSED',
      service: '99.10-0-0-77.inet',
      port: 99,
      address: '10.0.0.77',
    })
    expect(error.cause).toMatchObject({ code: 'ENOROUTER' })
  })

  it('fails with ENOTFOUND where the name of the host can be that of none, as DNS would have it', async () => {
    const socket = track(connect({ port: 80, host: 'no host', stack: client }))
    const found = once(socket, 'lookup')
    const [error] = await once(socket, 'error')
    expect(error).toMatchObject({ code: 'ENOTFOUND', hostname: 'no host', syscall: 'getaddrinfo' })
    expect(error.message).toBe('getaddrinfo ENOTFOUND no host')
    expect(await found).toEqual([error, undefined, undefined, 'no host'])
  })

  it('reports a malformed name by throwing, with the accepted form', () => {
    expect(() => connect({ service: 'no name', stack: client })).toThrow(
      /"no name" is not a service name: labels/,
    )
  })
})

describe('a socket that moves', () => {
  const otherOf = (socket: Socket) => (socket.localAddress === '10.0.0.1' ? '10.0.0.2' : '10.0.0.1')

  it('has its new address when the peer has confirmed it, and emits migrate', async () => {
    const [near, far] = await connected()
    const address = otherOf(near)
    const events: unknown[] = []
    near.on('migrate', path => events.push(path))
    const heard = once(far, 'migrate')
    await near.migrate({ address })
    expect(near.localAddress).toBe(address)
    expect(events).toEqual([near.flow?.paths[0]])
    await heard
    expect(far.remoteAddress).toBe(address)
  })

  it('keeps its data, its counters and its events', async () => {
    const [near, far] = await connected()
    const seen: string[] = []
    for (const event of ['end', 'error', 'close', 'timeout']) near.on(event, () => seen.push(event))
    far.pipe(far)
    let text = ''
    near.on('data', (chunk: Buffer) => {
      text += chunk
    })
    near.write('before ')
    await once(near, 'data')
    await near.migrate({ address: otherOf(near) })
    near.write('after')
    await once(near, 'data')
    expect([text, near.bytesRead, near.bytesWritten, seen]).toEqual(['before after', 12, 12, []])
  })

  it('says which addresses there are, where it cannot move', async () => {
    const [near] = await connected()
    await expect(near.migrate({ address: '10.9.9.9' })).rejects.toMatchObject({
      code: 'EADDRNOTAVAIL',
      message: expect.stringContaining('10.0.0.1, 10.0.0.2'),
    })
  })

  it.each([undefined, null, {}, '10.0.0.2', { address: 5 }])('refuses to move to %j', async target => {
    const [near] = await connected()
    await expect(near.migrate(target as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  })

  it('moves by itself when its address goes', async () => {
    const [near, far] = await connected()
    const remaining = otherOf(near)
    const heard = once(far, 'migrate')
    clientHost.setAddresses(remaining)
    await heard
    near.end('still here')
    expect(String((await once(far, 'data'))[0])).toBe('still here')
    expect(far.remoteAddress).toBe(remaining)
  })
})

describe('memory', () => {
  it('is held by neither side beyond its buffers when the program does not read', async () => {
    const [near, far] = await connected()
    far.pause()
    const chunk = Buffer.alloc(1 << 20)
    let taken = 0
    const writeOn = () => {
      near.write(chunk, error => {
        if (error || near.destroyed) return
        taken++
        writeOn()
      })
    }
    writeOn()
    // Both windows of 4 MiB are full, and nothing moves any more.
    for (let before = -1; before !== taken; ) {
      before = taken
      for (let turn = 0; turn < 200; turn++) await new Promise(resolve => setImmediate(resolve))
    }
    expect(taken).toBeLessThanOrEqual(10)
    expect(far.readableLength).toBeLessThan(2 << 20)
    expect(near.writableLength).toBeLessThanOrEqual(2 << 20)
  })

  it('is not copied on its way from the stack to the program', async () => {
    const [near, far] = await connected()
    const chunks: Buffer[] = []
    far.on('data', (chunk: Buffer) => chunks.push(chunk))
    near.end(Buffer.alloc(1 << 20, 1))
    await once(far, 'end')
    const bytesOf = (some: readonly Buffer[]) => some.reduce((sum, chunk) => sum + chunk.length, 0)
    expect(bytesOf(chunks)).toBe(1 << 20)
    // Views of received datagrams, which hold their headers as well; what is small and has waited is gathered.
    const views = chunks.filter(chunk => chunk.buffer.byteLength > chunk.length)
    expect(bytesOf(views)).toBeGreaterThan(1 << 19)
  })

  it('comes in large chunks where much has waited for the program, however it was written', async () => {
    const [near, far] = await connected()
    far.pause()
    const said = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31) >> 3))
    for (let at = 0; at < said.length; at += 6_000) {
      near.write(said.subarray(at, at + 6_000))
      await new Promise(resolve => setImmediate(resolve))
    }
    near.end()
    const chunks: Buffer[] = []
    far.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      far.pause()
      setImmediate(() => far.resume())
    })
    far.resume()
    await once(far, 'end')
    expect(Buffer.concat(chunks).equals(said)).toBe(true)
    expect(Math.max(...chunks.map(({ length }) => length))).toBeLessThanOrEqual(65_536)
    expect(chunks.length).toBeLessThanOrEqual(10)
  })
})
