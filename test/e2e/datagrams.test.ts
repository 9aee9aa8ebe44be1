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

/** Runs an ES module that has `dgram`; its lines come one by one. */
function run(code: string, env: Record<string, string> = {}) {
  const module = pathToFileURL('dist/lib/dgram.js')
  const program = `const { default: dgram } = await import('${module}'); ${code}`
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
