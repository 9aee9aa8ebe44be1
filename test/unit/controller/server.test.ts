import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ControllerOptions, type RunningController, startController } from '../../../controller/index.ts'
import { emitMessage } from '../../../src/control/codec.ts'
import { ControlClient, type ControlTarget } from '../../support/control-client.ts'
import { endpoints, named, registration } from '../../support/control-world.ts'

const ANY = { address: '127.0.0.1', port: 0 }

let directory: string
const clients: ControlClient[] = []
const controllers: RunningController[] = []
const others: (Server | Socket)[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'serval-controller-'))
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.stop()
  for (const other of others.splice(0)) 'close' in other ? other.close() : other.destroy()
  await Promise.all(controllers.splice(0).map(controller => controller.close(0)))
  rmSync(directory, { recursive: true, force: true })
})

async function start(options: ControllerOptions = {}): Promise<RunningController> {
  const controller = await startController({
    control: ANY,
    api: ANY,
    runtimeDir: { path: directory },
    ...options,
  })
  controllers.push(controller)
  return controller
}

function client(target: ControlTarget, at: string, kind: 'host' | 'router' = 'host'): ControlClient {
  const made = new ControlClient(target, at, { kind })
  clients.push(made)
  return made
}

const unix = (controller: RunningController): ControlTarget => ({ path: controller.addresses.unix! })
const tcp = ({ addresses }: RunningController): ControlTarget => ({
  host: addresses.control!.address,
  port: addresses.control!.port,
})

/** A plain TCP server that is no controller. */
async function occupy(): Promise<number> {
  const server = createServer()
  others.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** A process that carries out some JavaScript and has said so much as `ready`. */
async function program(code: string) {
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}

describe('the controller', () => {
  it('makes its socket for its user alone', async () => {
    const path = join(directory, 'run')
    const controller = await start({ runtimeDir: { path } })
    expect(controller.addresses.unix).toBe(join(path, 'controller.sock'))
    expect(statSync(path).mode & 0o777).toBe(0o700)
    expect(statSync(controller.addresses.unix!).mode & 0o777).toBe(0o600)
  })

  it('brings together agents on its unix socket and on TCP', async () => {
    const controller = await start()
    const router = client(tcp(controller), '10.0.0.9:54325', 'router')
    const server = client(unix(controller), '10.0.0.1:5000')
    const host = client(tcp(controller), '10.0.0.2:6000')
    await Promise.all([router.event('connected'), server.event('connected'), host.event('connected')])
    server.do(() => server.core.register(registration('web.example')))
    await server.event('registered')
    expect((await router.event('rules')).add).toMatchObject([{ name: 'web.example' }])
    host.do(nowMs => host.core.resolve(named('web.example'), nowMs))
    expect((await host.event('resolved')).rules).toMatchObject([{ endpoints: endpoints('10.0.0.1:5000') }])
  })

  it.each(['unix', 'tcp'])('K2: withdraws a program that is killed within 100 ms (%s)', async kind => {
    const controller = await start()
    const target = kind === 'unix' ? unix(controller) : tcp(controller)
    const host = client(target, '10.0.0.2:6000')
    const router = client(target, '10.0.0.9:54325', 'router')
    await Promise.all([host.event('connected'), router.event('connected')])
    const service = { ...named('web.example') }
    const frames = [
      emitMessage({
        type: 'hello',
        version: 1,
        kind: 'host',
        instance: 'ab'.repeat(16),
        hostId: '',
        hostName: 'host',
        program: 'child',
        pid: 1,
        endpoints: endpoints('10.0.0.1:5000'),
      }),
      emitMessage({ type: 'register', xid: 1, service, weight: 1, priority: 1 }),
    ]
    const bytes = Buffer.concat(frames).toString('hex')
    const tookMs: number[] = []
    // From when this process hears of the end itself, and the best of three: that this machine has other things to do
    // is not the controller's delay.
    for (let i = 0; i < 3; i++) {
      const child = await program(`
        const socket = require('net').connect(${JSON.stringify(target)})
        socket.write(Buffer.from('${bytes}', 'hex'))
        socket.on('data', () => process.stdout.write('ready'))`)
      expect((await router.event('rules')).add).toMatchObject([{ name: 'web.example' }])
      const exitedAt = once(child, 'exit').then(() => performance.now())
      child.kill('SIGKILL')
      const [gone, rules] = await Promise.all([host.event('gone'), router.event('rules')])
      const toldAt = performance.now()
      tookMs.push(toldAt - (await exitedAt))
      expect(gone).toMatchObject({ reason: 'died', endpoints: endpoints('10.0.0.1:5000') })
      expect(rules.remove).toMatchObject([{ name: 'web.example' }])
    }
    expect(Math.min(...tookMs)).toBeLessThan(100)
  })

  it('withdraws a client whose connection is destroyed', async () => {
    const controller = await start()
    const server = client(unix(controller), '10.0.0.1:5000')
    const router = client(unix(controller), '10.0.0.9:54325', 'router')
    server.do(() => server.core.register(registration('web.example')))
    await server.event('registered')
    await router.event('rules')
    server.die()
    expect((await router.event('rules')).remove).toMatchObject([{ name: 'web.example' }])
  })

  it('withdraws one that is silent for a lease', async () => {
    const controller = await start({ leaseMs: 150 })
    const host = client(unix(controller), '10.0.0.2:6000')
    await host.event('connected')
    const mute = connect(unix(controller))
    others.push(mute)
    mute.write(
      emitMessage({
        type: 'hello',
        version: 1,
        kind: 'host',
        instance: 'cd'.repeat(16),
        hostId: '',
        hostName: '',
        program: '',
        pid: 1,
        endpoints: endpoints('10.0.0.1:5000'),
      }),
    )
    expect(await host.event('gone')).toMatchObject({ reason: 'silent' })
    expect(host.core.state).toBe('READY')
  })

  it('says goodbye when it stops, frees its addresses, and is found again', async () => {
    const first = await start()
    const server = client(tcp(first), '10.0.0.1:5000')
    server.do(() => server.core.register(registration('web.example')))
    await server.event('registered')
    await first.close(1000)
    expect((await server.event('disconnected')).reason).toBe('the controller is being stopped')
    expect(existsSync(first.addresses.unix!)).toBe(false)
    const second = await start({ control: first.addresses.control!, api: first.addresses.api! })
    expect(second.addresses).toEqual(first.addresses)
    expect(second.controller).not.toBe(first.controller)
    await server.event('registered')
  })

  it('stops in time though a connection does not end', async () => {
    const controller = await start()
    const socket = connect({ ...tcp(controller), allowHalfOpen: true } as never)
    others.push(socket)
    await once(socket, 'connect')
    // Were the connection waited for, this would never be done.
    await expect(controller.close(50)).resolves.toBeUndefined()
  })

  it('reads no more from one that does not read its answers', async () => {
    const controller = await start()
    const deaf = connect(unix(controller) as { path: string })
    others.push(deaf)
    await once(deaf, 'connect')
    deaf.on('error', () => undefined)
    deaf.pause()
    const question = emitMessage({ type: 'resolve', xid: 1, service: named('web.example') })
    const flood = Buffer.concat(Array(10_000).fill(question))
    deaf.write(
      emitMessage({
        type: 'hello',
        version: 1,
        kind: 'host',
        instance: 'ef'.repeat(16),
        hostId: '',
        hostName: '',
        program: '',
        pid: 1,
        endpoints: [],
      }),
    )
    for (let i = 0; i < 20; i++) deaf.write(flood)
    const offered = 20 * flood.length
    const other = client(unix(controller), '10.0.0.2:6000')
    for (let i = 0; i < 50; i++) {
      other.do(nowMs => other.core.resolve(named('web.example'), nowMs))
      await other.event('unresolved')
    }
    expect(offered).toBeGreaterThan(10_000_000)
    expect(deaf.writableLength).toBeGreaterThan(offered / 2)
  })
})

describe('an address that cannot be had', () => {
  it('on TCP: who asked for it, and the pid of the controller that has it', async () => {
    const first = await start()
    const control = { ...first.addresses.control!, askedBy: '--bind' }
    await expect(start({ control, runtimeDir: { path: join(directory, 'b') } })).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: `listen EADDRINUSE: tcp 127.0.0.1:${control.port} (asked for by --bind) is already served by the controller with pid ${process.pid}`,
    })
  })

  it('on TCP: that it is something else', async () => {
    const port = await occupy()
    await expect(start({ control: { address: '127.0.0.1', port } })).rejects.toThrow(
      `tcp 127.0.0.1:${port} is already served by another process, which is no controller`,
    )
  })

  it('for the REST: the same', async () => {
    const first = await start()
    const { address, port } = first.addresses.api!
    const runtimeDir = { path: join(directory, 'b') }
    await expect(start({ api: { address, port, askedBy: '--api' }, runtimeDir })).rejects.toThrow(
      `http 127.0.0.1:${port} (asked for by --api) is already served by the controller with pid ${process.pid}`,
    )
    const other = await occupy()
    await expect(start({ api: { address, port: other }, runtimeDir })).rejects.toThrow(
      'which is no controller',
    )
  })

  it('on a unix socket: the controller there goes on', async () => {
    const first = await start()
    const runtimeDir = { path: directory, askedBy: 'SERVAL_RUNTIME_DIR' }
    await expect(start({ runtimeDir })).rejects.toThrow(
      `unix:${directory}/controller.sock (asked for by SERVAL_RUNTIME_DIR) is already served by the controller with pid ${process.pid}`,
    )
    await client(unix(first), '10.0.0.1:5000').event('connected')
  })

  it('leaves nothing open behind', async () => {
    const port = await occupy()
    await expect(start({ api: { address: '127.0.0.1', port } })).rejects.toThrow('EADDRINUSE')
    expect(existsSync(join(directory, 'controller.sock'))).toBe(false)
    await client(unix(await start()), '10.0.0.1:5000').event('connected')
  })

  it('because it is no address of this host', async () => {
    const control = { address: '192.0.2.1', port: 0, askedBy: '--bind' }
    await expect(start({ control })).rejects.toMatchObject({
      code: 'EADDRNOTAVAIL',
      message: expect.stringContaining('192.0.2.1:0 (asked for by --bind)'),
    })
  })
})

describe('the runtime directory', () => {
  it('is swept of the socket of a controller that crashed', async () => {
    const path = join(directory, 'controller.sock')
    const child = await program(
      `require('net').createServer().listen(${JSON.stringify(path)}, () => process.stdout.write('ready'))`,
    )
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(existsSync(path)).toBe(true)
    await client(unix(await start()), '10.0.0.1:5000').event('connected')
  })

  it('is not swept of a file that is no socket', async () => {
    writeFileSync(join(directory, 'controller.sock'), 'mine')
    await expect(start()).rejects.toThrow('EADDRINUSE')
    expect(statSync(join(directory, 'controller.sock')).isFile()).toBe(true)
  })

  it('is closed to others if only sockets are in it, and otherwise refused', async () => {
    chmodSync(directory, 0o755)
    await start()
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    const shared = join(directory, 'shared')
    mkdirSync(shared, { mode: 0o755 })
    writeFileSync(join(shared, 'file'), '')
    await expect(
      start({ runtimeDir: { path: shared, askedBy: 'SERVAL_RUNTIME_DIR' } }),
    ).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
      message: expect.stringMatching(/runtimeDir \(asked for by SERVAL_RUNTIME_DIR\).*mode 0700.*mode 0755/),
    })
    expect(statSync(shared).mode & 0o777).toBe(0o755)
  })

  it('may not be too deep for a socket', async () => {
    const path = join(directory, 'd'.repeat(100))
    await expect(start({ runtimeDir: { path } })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
  })
})

describe('an option of the controller', () => {
  it.each([0, 99, Number.NaN])('leaseMs of %s is refused', async leaseMs => {
    await expect(start({ leaseMs })).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' })
  })

  it('api beyond loopback is refused without a token', async () => {
    const api = { address: '0.0.0.0', port: 0, askedBy: '--api' }
    await expect(start({ api })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
      message: expect.stringContaining('"api (asked for by --api)" must be a loopback address'),
    })
  })

  it('may leave everything out but one address', async () => {
    const controller = await startController({ control: ANY, api: false })
    controllers.push(controller)
    expect(Object.keys(controller.addresses)).toEqual(['control'])
  })
})
