/** The demo, as whoever runs `npm start` has it: what it shows, how it ends, and that nothing is left of it. */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CliWorld, isRunning, schemaErrors } from '../support/cli.ts'

let world: CliWorld
beforeEach(() => {
  world = new CliWorld()
})
afterEach(() => world.close())

interface Summary {
  readonly processes: readonly { readonly name: string; readonly pid: number }[]
  readonly downloads: number
  readonly bytes: number
  readonly moves: readonly { readonly from: string; readonly to: string }[]
  readonly replicas: readonly { readonly fate: string; readonly downloads: number }[]
  readonly [key: string]: unknown
}

/** As src/bin/demo/files.ts makes them. */
const SMALLEST_FILE_BYTES = 4e6

describe('the demo', () => {
  it('does all that it is to show, with every hash right, and leaves nothing behind', async () => {
    const summary = await world.json<Summary>(['demo', '--seconds', '8'])
    expect(schemaErrors('demo', summary)).toBe('')
    expect(summary).toMatchObject({ ok: true, seconds: 8, service: 'files.demo', mismatches: 0, errors: [] })
    expect(summary.downloads).toBeGreaterThanOrEqual(4)
    expect(summary.bytes).toBeGreaterThanOrEqual(summary.downloads * SMALLEST_FILE_BYTES)
    expect(summary.moves).toMatchObject([
      { client: 'client 1', from: '127.0.0.1', to: '127.0.0.2' },
      { client: 'client 2', from: '127.0.0.1', to: '127.0.0.3' },
    ])
    const [resumed] = summary.resumed as { from: string; to: string; atBytes: number }[]
    expect(resumed!.atBytes).toBeGreaterThan(0)
    expect(resumed!.from).not.toBe(resumed!.to)
    expect(summary.replicas.map(({ fate }) => fate).sort()).toEqual(['killed', 'left', 'left', 'left'])
    expect(summary.replicas.at(-1)).toMatchObject({ name: 'replica D' })
    expect(summary.processes).toHaveLength(10)
    expect(summary.processes.filter(({ pid }) => isRunning(pid))).toEqual([])
    expect(readdirSync(world.temporary)).toEqual([])
  })

  it('prints plain lines where nobody watches, and no settings of the user touch it', async () => {
    const env = { SERVAL_ROUTER: '192.0.2.1', SERVAL_CONFIG: 'missing.json', SERVAL_BIND: '192.0.2.2' }
    const { status, stdout, stderr } = await world.run(['demo', '--seconds', '5'], { env })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is what is tested.
    expect(stdout).not.toMatch(/\x1b/)
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
    expect(stdout).toMatch(/^ {2}\d\.\d s {2}up: a controller, a router, 3 replicas, 4 clients\n/)
    expect(stdout).toMatch(/ s {2}replica D joins\n/)
    expect(stdout).toMatch(/ s {2}client 1 moved 127\.0\.0\.1 → 127\.0\.0\.2 at [\d.]+ [kM]B, done in /)
    expect(stdout).toMatch(/ s {2}replica [A-D] is killed; it was serving client \d/)
    expect(stdout).toMatch(/ s {2}client \d lost replica [A-D] at .*, goes on at replica [A-D] in /)
    expect(stdout).toMatch(/\n4 clients: \d+ downloads, [\d.]+ MB, every SHA-256 matched\n/)
    expect(stdout).toMatch(/\nno errors\n$/)
  })

  it('fails where a file that comes is not the file that was made', async () => {
    const demo = await world.start(['demo', '--seconds', '5'])
    const [directory] = readdirSync(world.temporary)
    const file = join(world.temporary, directory!, 'files', 'file-3.bin')
    const { size } = statSync(file)
    writeFileSync(file, Buffer.alloc(size, 'x'))
    const { status, stdout, stderr } = await demo.ended
    expect(status).toBe(1)
    expect(stdout).toMatch(/client \d got file-3\.bin wrong: its SHA-256 is [0-9a-f]{64}/)
    expect(stderr).toMatch(/^serval: the demo failed: client \d got file-3\.bin wrong/)
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('told to end by %s, takes everything with it', async signal => {
    const demo = await world.start(['demo', '--seconds', '60'])
    expect(processesOf(world)).toHaveLength(9)
    const { status, stderr } = await demo.stop(signal)
    expect(status).toBe(1)
    expect(stderr).toBe(`serval: the demo failed: stopped by ${signal}\n`)
    expect(processesOf(world)).toEqual([])
    expect(readdirSync(world.temporary)).toEqual([])
  })

  it('ends where one of its processes is lost, and says which', async () => {
    const demo = await world.start(['demo', '--seconds', '60'])
    const controller = processesOf(world).find(({ command }) => command.includes('controller'))
    process.kill(controller!.pid, 'SIGKILL')
    const { status, stderr } = await demo.ended
    expect(status).toBe(1)
    expect(stderr).toContain('controller ended (SIGKILL); the demo cannot go on')
    expect(processesOf(world)).toEqual([])
    expect(readdirSync(world.temporary)).toEqual([])
  })

  it('killed itself, is outlived by none of its processes, nor by its files', async () => {
    const demo = await world.start(['demo', '--seconds', '60'])
    await demo.stop('SIGKILL')
    await expect.poll(() => processesOf(world), { timeout: 60_000 }).toEqual([])
    await expect.poll(() => readdirSync(world.temporary), { timeout: 60_000 }).toEqual([])
  })

  it.runIf(canBeNobody())('needs no privileges', async () => {
    chmodSync(world.directory, 0o755)
    chmodSync(world.temporary, 0o777)
    const summary = await world.json(['demo', '--seconds', '5'], { by: AS_NOBODY })
    expect(summary).toMatchObject({ ok: true, errors: [] })
    expect(readdirSync(world.temporary)).toEqual([])
  })
})

const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']

/** Root can, where what nobody would run can be read by nobody. */
function canBeNobody(): boolean {
  if (process.getuid?.() !== 0) return false
  try {
    const [file, ...args] = [...AS_NOBODY, process.execPath, 'dist/lib/serval.js', '--version']
    execFileSync(file!, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** The processes whose temporary directory is the world's: /proc tells. The test's own is not among them. */
function processesOf({ temporary }: CliWorld): { readonly pid: number; readonly command: string }[] {
  return readdirSync('/proc').flatMap(name => {
    const pid = Number(name)
    if (!(pid > 0) || !existsSync(`/proc/${pid}/environ`)) return []
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`TMPDIR=${temporary}\0`)) return []
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      // The demo itself is what the test watches otherwise.
      return command.includes('demo') ? [] : [{ pid, command: command.join(' ') }]
    } catch {
      return []
    }
  })
}
