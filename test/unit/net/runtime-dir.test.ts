import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RuntimeDirectory } from '../../../src/net/runtime-dir.ts'
import type { StackStatus } from '../../../src/net/status.ts'
import { askStacks } from '../../../src/net/status-client.ts'
import { StatusServer } from '../../../src/net/status-server.ts'

let base: string
let directory: RuntimeDirectory
const servers: { close(): unknown }[] = []
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'serval-rt-'))
  directory = new RuntimeDirectory(join(base, 'serval'))
  directory.prepare()
})
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
  rmSync(base, { recursive: true, force: true })
})

const bytes = (n: number) => new Uint8Array(n).fill(7)
const status = (pid: number): StackStatus => ({
  version: '0',
  kind: 'host',
  pid,
  program: 'test',
  instance: '0'.repeat(32),
  hostId: '',
  endpoints: [],
  services: [],
  flows: [],
  counters: {},
})

/** A pid that was one a moment ago. */
const deadPid = () => spawnSync(process.execPath, ['--version']).pid

async function serve(name: string, answer: StackStatus): Promise<StatusServer> {
  const server = new StatusServer(join(directory.path, name), { answer: () => answer })
  servers.push(server)
  await server.open()
  return server
}

describe('the runtime directory', () => {
  it('is made for its user alone, with the folders above it', () => {
    const deep = new RuntimeDirectory(join(base, 'a/b'))
    deep.prepare()
    expect(statSync(deep.path).mode & 0o777).toBe(0o700)
  })

  it('is closed to others where it was open', () => {
    chmodSync(directory.path, 0o777)
    directory.prepare()
    expect(statSync(directory.path).mode & 0o777).toBe(0o700)
  })

  it('is refused where others can enter and it holds more than sockets, and left as it is', () => {
    chmodSync(directory.path, 0o755)
    writeFileSync(join(directory.path, 'letter'), '')
    expect(() => directory.prepare()).toThrow(/SERVAL_RUNTIME_DIR.*more than sockets \(letter\)/)
    expect(statSync(directory.path).mode & 0o777).toBe(0o755)
  })

  it('is refused where it is a file, or its path too long for a socket', () => {
    writeFileSync(join(base, 'file'), '')
    expect(() => new RuntimeDirectory(join(base, 'file')).prepare()).toThrow(/SERVAL_RUNTIME_DIR.*file/)
    const long = new RuntimeDirectory(join(base, 'x'.repeat(100)))
    expect(() => long.newStatusSocket(bytes)).toThrow(/too long for a socket/)
  })

  it.runIf(existsSync('/proc/self'))('is refused where no folder can be made, at once', () => {
    expect(() => new RuntimeDirectory('/proc/serval/deep').prepare()).toThrow(
      /SERVAL_RUNTIME_DIR.*proc.*ENOENT/,
    )
  })

  it('gives each stack a socket path with its pid', () => {
    expect(directory.newStatusSocket(bytes)).toBe(join(directory.path, `${process.pid}-07070707.sock`))
  })
})

describe('asking the stacks of a host', () => {
  it('gathers the answers of all, but for one', async () => {
    await serve('1-00000001.sock', status(1))
    await serve('2-00000002.sock', status(2))
    const own = await serve('3-00000003.sock', status(3))
    const answers = await askStacks(directory, { ask: 'status' }, { except: own.path })
    expect(answers.map(({ pid }) => pid).sort()).toEqual([1, 2])
  })

  it('are asked without a warning, however many there are', async () => {
    const warnings: string[] = []
    const note = (warning: Error) => warnings.push(warning.message)
    process.on('warning', note)
    for (let pid = 1; pid <= 12; pid++) await serve(`${pid}-00000001.sock`, status(pid))
    expect(await askStacks(directory, { ask: 'status' })).toHaveLength(12)
    // Node tells of warnings in the next turn.
    await new Promise(resolve => setImmediate(resolve))
    process.off('warning', note)
    expect(warnings).toEqual([])
  })

  it('yields nothing where nobody is, or no directory', async () => {
    expect(await askStacks(directory, { ask: 'status' })).toEqual([])
    expect(await askStacks(new RuntimeDirectory(join(base, 'none')), { ask: 'status' })).toEqual([])
  })

  it('sweeps the socket of a process that is no more, and no other', async () => {
    const [stale, living] = [`${deadPid()}-00000001.sock`, `${process.pid}-00000002.sock`]
    for (const name of [stale, living]) leaveSocket(join(directory.path, name))
    expect(directory.statusSockets()).toHaveLength(2)
    expect(await askStacks(directory, { ask: 'status' })).toEqual([])
    expect(existsSync(join(directory.path, stale))).toBe(false)
    expect(existsSync(join(directory.path, living))).toBe(true)
  })

  it('does not wait for one that does not answer', async () => {
    const silent = createServer(connection => servers.push({ close: () => connection.destroy() }))
    servers.push(silent)
    await new Promise<void>(resolve => silent.listen(join(directory.path, '1-00000001.sock'), resolve))
    await serve('2-00000002.sock', status(2))
    const isEnough = ({ pid }: StackStatus) => pid === 2
    const request = { ask: 'status' } as const
    // Were it waited for, this test would take too long.
    const answers = await askStacks(directory, request, { isEnough, patienceMs: 3_600_000 })
    expect(answers.map(({ pid }) => pid)).toEqual([2])
    expect(await askStacks(directory, request, { patienceMs: 500 })).toHaveLength(1)
  })

  it('leaves out what is no answer', async () => {
    const babbler = createServer(connection => connection.end('{"pid":"no"}\n'))
    servers.push(babbler)
    await new Promise<void>(resolve => babbler.listen(join(directory.path, '1-00000001.sock'), resolve))
    expect(await askStacks(directory, { ask: 'status' })).toEqual([])
  })
})

describe('a status socket', () => {
  it('is for its user alone, and gone when it is closed', async () => {
    const server = await serve('1-00000001.sock', status(1))
    expect(statSync(server.path).mode & 0o777).toBe(0o600)
    server.close()
    expect(existsSync(server.path)).toBe(false)
  })
})

/** What a process that was killed leaves behind. */
function leaveSocket(path: string): void {
  const code = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['--eval', code])
}
