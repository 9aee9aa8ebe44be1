/** Workers of a cluster: with `node:net` they have a port together, with `serval/net` only a name. Runs what `npm run build` made. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const CLUSTER = fileURLToPath(new URL('programs/cluster.js', import.meta.url))

let runtimeDir: string
let child: ChildProcess | undefined
beforeEach(() => {
  runtimeDir = mkdtempSync(join(tmpdir(), 'serval-cluster-'))
})
afterEach(async () => {
  // Its workers end when it is gone.
  child?.kill('SIGKILL')
  if (child?.exitCode === null && child.signalCode === null) await once(child, 'exit')
  rmSync(runtimeDir, { recursive: true, force: true })
})

/** What became of two workers, sorted. */
async function outcomes(module: 'node' | 'serval', place: string): Promise<string[]> {
  const env = { ...process.env, SERVAL_RUNTIME_DIR: runtimeDir }
  child = spawn(process.execPath, [CLUSTER, module, place], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const found: string[] = []
  for await (const line of createInterface({ input: child.stdout! })) {
    found.push(JSON.parse(line).outcome)
    if (found.length === 2) break
  }
  return found.sort()
}

async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return String(port)
}

describe('workers of a cluster', () => {
  it('have a port together with Node, and one of them alone here', async () => {
    const port = await freePort()
    expect(await outcomes('node', port)).toEqual(['listening', 'listening'])
    child!.kill('SIGKILL')
    expect(await outcomes('serval', port)).toEqual(['EADDRINUSE', 'listening'])
  })

  it('serve a name together', async () => {
    expect(await outcomes('serval', 'web.example')).toEqual(['listening', 'listening'])
  })
})
