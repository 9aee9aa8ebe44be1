/** The main job: a download over HTTP that goes on while the client's addresses come and go. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { describeInLab } from '../../support/lab/describe-in-lab.ts'
import { Lab } from '../../support/lab/lab.ts'
import { startNetwork } from '../../support/lab/network.ts'
import type { Program } from '../../support/lab/program.ts'
import { keystreamHash } from '../programs/keystream.js'

const FILES = 'files.lab.example'
const MIB = 1024 * 1024
const NO_ADDRESS_MS = 3000

/** A gap in which no data came. */
interface Gap {
  readonly atBytes: number
  readonly ms: number
}

describeInLab('a download in the laboratory', () => {
  let lab: Lab
  beforeEach(() => {
    lab = new Lab({ families: [4] })
  })
  afterEach(() => lab.close())

  it('of 1 GiB loses nothing when the address it began on is deleted, and later given back', async () => {
    const bytes = 1024 * MIB
    const { server, download } = await startDownload(bytes)
    const first = await interfaceOf(download)
    await progress(download, 256 * MIB)
    lab.client.deleteAddress(first)
    const moved = await download.event('move')
    expect(moved.local).toBe(lab.client.address(4, other(first)))
    await progress(download, 640 * MIB)
    lab.client.restoreAddress(first)
    const { gaps } = await expectWhole({ server, download, bytes })
    report('the address was deleted', gaps)
  })

  it('goes on when a link on its way takes smaller packets all at once', async () => {
    const bytes = 256 * MIB
    const { server, download } = await startDownload(bytes)
    await progress(download, 32 * MIB)
    lab.client.resize(await interfaceOf(download), 1300)
    const { gaps } = await expectWhole({ server, download, bytes })
    report('a link took smaller packets', gaps)
  })

  it('goes from the server to the client, not through the service router', async () => {
    const bytes = 64 * MIB
    const { server, download } = await startDownload(bytes)
    await expectWhole({ server, download, bytes })
    const { receivedBytes, sentBytes } = lab.router.traffic()
    expect(receivedBytes + sentBytes).toBeLessThan(MIB / 4)
    expect(lab.alpha.traffic().sentBytes).toBeGreaterThan(bytes)
  })

  it('waits while the client has no address at all, and goes on when one comes back', async () => {
    const bytes = 384 * MIB
    const { server, download } = await startDownload(bytes)
    const first = await interfaceOf(download)
    await progress(download, 96 * MIB)
    lab.client.deleteAddress(other(first))
    lab.client.deleteAddress(first)
    await download.event('idle', ({ ms }) => ms >= NO_ADDRESS_MS)
    lab.client.restoreAddress(other(first))
    const { gaps } = await expectWhole({ server, download, bytes })
    expect(longest(gaps)).toBeGreaterThanOrEqual(NO_ADDRESS_MS)
    expect(download.all('move').map(({ local }) => local)).toContain(lab.client.address(4, other(first)))
    report(`there was no address for ${NO_ADDRESS_MS} ms`, gaps)
  })

  async function startDownload(bytes: number) {
    const { env } = await startNetwork(lab)
    const server = lab.alpha.run('http-server.js', [FILES, String(bytes)], { env })
    await server.event('ready')
    const download = lab.client.run('download.js', [FILES], { env })
    return { server, download }
  }

  async function interfaceOf(download: Program): Promise<'wifi' | 'cell'> {
    const { local } = await download.event('connection')
    return local === lab.client.address(4, 'wifi') ? 'wifi' : 'cell'
  }
})

/** The bytes are all there, and neither end has noticed anything but, perhaps, a pause. */
async function expectWhole(run: {
  server: Program
  download: Program
  bytes: number
}): Promise<{ gaps: Gap[] }> {
  const { server, download, bytes } = run
  const done = await download.event('done', undefined, 240_000)
  expect(done).toMatchObject({ bytes, isComplete: true, sha256: keystreamHash(bytes) })
  expect(await download.exited).toEqual({ code: 0, signal: null })
  expect(download.all('error')).toEqual([])
  expect(server.all('error')).toEqual([])
  expect(server.all('connection')).toHaveLength(1)
  expect(server.all('request')).toHaveLength(1)
  return { gaps: done.gaps }
}

function other(name: 'wifi' | 'cell'): 'wifi' | 'cell' {
  return name === 'wifi' ? 'cell' : 'wifi'
}

function progress(download: Program, atLeastBytes: number) {
  return download.event('progress', ({ bytes }) => bytes >= atLeastBytes)
}

function longest(gaps: readonly Gap[]): number {
  return Math.max(0, ...gaps.map(({ ms }) => ms))
}

/** What is known only when it has happened, for those who read the log. */
function report(what: string, gaps: readonly Gap[]): void {
  process.stdout.write(`${what}: the download stalled for ${longest(gaps)} ms\n`)
}
