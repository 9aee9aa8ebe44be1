/** Datagrams between processes, by name: one host alone, and by way of a router. Runs what `npm run build` made. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { parseServicePattern } from '../../src/id/name.ts'
import { formatEndpoint } from '../../src/wire/endpoint.ts'
import { Stacks } from '../support/net/stacks.ts'

let stacks: Stacks
const children: ChildProcess[] = []
beforeEach(() => {
  stacks = new Stacks()
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await stacks.close()
})

/** Runs an ES module that has `dgram` and `net`; its lines come one by one. */
function run(code: string, env: Record<string, string> = {}) {
  const module = (name: string) => pathToFileURL(`dist/lib/${name}.js`)
  const imports = ['dgram', 'net'].map(
    name => `const { default: ${name} } = await import('${module(name)}');`,
  )
  const program = `${imports.join(' ')} ${code}`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    env: { ...process.env, SERVAL_RUNTIME_DIR: stacks.runtimeDir, SERVAL_BIND: '127.0.0.1', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  child.stdout.setEncoding('utf8')
  const exited = once(child, 'exit').then(([code, signal]) => code ?? signal)
  return { exited, says: async () => String((await once(child.stdout, 'data'))[0]).trim() }
}

const ECHO = `
  const socket = dgram.createSocket()
  socket.on('message', (message, sender) => socket.send(message + '!', sender))
  socket.bind('echo.example', () => console.log('bound'))`

const ASK = `
  const socket = dgram.createSocket()
  const heard = []
  socket.on('message', message => {
    heard.push(String(message))
    if (heard.length === 1) socket.connect('echo.example', () => socket.send('connected'))
    if (heard.length === 2) socket.close(() => console.log(heard.join(' ')))
  })
  socket.send('unconnected', 'echo.example')`

it('two processes meet by name, with and without a flow, and the one that is done ends', async () => {
  const server = run(ECHO)
  expect(await server.says()).toBe('bound')
  const client = run(ASK)
  expect(await client.says()).toBe('unconnected! connected!')
  expect(await client.exited).toBe(0)
})

const STREAMS = `
  const server = net.createServer(socket => socket.end('by stream'))
  server.listen('echo.example', () => console.log('listening'))`

const ASK_BOTH = `
  import { once } from 'node:events'
  const heard = new Map()
  const hear = text => heard.set(text, (heard.get(text) ?? 0) + 1)
  for (let i = 0; i < 20; i++) {
    const [answer] = await once(net.connect('echo.example'), 'data')
    hear(String(answer))
    const socket = dgram.createSocket()
    socket.send('by datagram', 'echo.example')
    hear(String((await once(socket, 'message'))[0]))
    socket.close()
  }
  console.log(JSON.stringify(Object.fromEntries(heard)))`

it.each([
  ['the one that serves streams begins', [STREAMS, ECHO]],
  ['the one that serves datagrams begins', [ECHO, STREAMS]],
])(
  'two processes serve streams and datagrams of one name, and each client reaches its own: %s',
  async (_who, codes) => {
    for (const code of codes) expect(await run(code).says()).toMatch(/bound|listening/)
    const client = run(ASK_BOTH)
    expect(JSON.parse(await client.says())).toEqual({ 'by stream': 20, 'by datagram!': 20 })
    expect(await client.exited).toBe(0)
  },
)

it('two processes that know nothing but a router meet through it', async () => {
  const serving = stacks.openRouter()
  const [endpoint] = serving.endpoints
  const router = { SERVAL_ROUTER: formatEndpoint(endpoint!) }
  // Directories of their own: neither finds the other there.
  const server = run(ECHO.replace("'bound'", 'String(socket.address().port)'), {
    ...router,
    SERVAL_RUNTIME_DIR: `${stacks.runtimeDir}/server`,
  })
  const at = { address: '127.0.0.1', port: Number(await server.says()) }
  const rule = { type: 'FORWARD', targets: [{ endpoint: at }] } as const
  serving.serviceTable.insert(parseServicePattern('echo.example'), rule, { source: 'user' })
  const client = run(ASK, { ...router, SERVAL_RUNTIME_DIR: `${stacks.runtimeDir}/client` })
  expect(await client.says()).toBe('unconnected! connected!')
  expect(await client.exited).toBe(0)
})
