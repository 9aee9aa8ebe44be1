/**
 * The cases of the QUIC interop runner, on its link (interop-link.ts). Each compares what was read with what was written,
 * by hash, and has a limit of virtual time. SERVAL_TEST_FULL runs the random ones with thirty seeds.
 */
import { describe, expect, it } from 'vitest'
import { SERVICE } from '../support/simulator/scenes.ts'
import { download, type Files, MIB, serve } from './interop-link.ts'

/** From connecting until the last byte is there. The link alone takes 0.88 s for a MiB. */
const LIMITS_MS = {
  handshake: 100,
  retry: 130,
  longrtt: 3100,
  transfer: 11_000,
  multiplexing: 20_000,
  amplificationlimit: 6000,
  /** Of each of the fifty. */
  handshakeloss: 60_000,
  handshakecorruption: 60_000,
  transferloss: 15_000,
  transfercorruption: 15_000,
  blackhole: 20_000,
  rebind: 12_000,
  connectionmigration: 11_000,
  goodput: 9320,
} as const

/** Cases that ask for what mode plain does not have. */
const WITHOUT_MEANING = {
  resumption: 'mode plain has no sessions to resume: each set-up is one round trip',
  keyupdate: 'mode plain encrypts nothing, and the key of TAG is the flow’s for life',
} as const

const HANDSHAKES = 50
const SMALL_FILE = 1024
const SEEDS = process.env.SERVAL_TEST_FULL ? 30 : 1

describe('on the interop link', () => {
  it('handshake: a small file takes two round trips, and no packet is sent twice', () => {
    const files = serve([SMALL_FILE], { trace: true })
    download(files, [files.client.connect(SERVICE)], LIMITS_MS.handshake)
    const lines = files.world.exchange()
    expect(new Set(lines).size).toBe(lines.length)
  })

  it('retry: one round trip more where the server has so many half-open flows that it asks for a COOKIE', () => {
    const files = serve([SMALL_FILE], { trace: true, backlog: 2 })
    const { world, link, client, server } = files
    const vanishing = world.host('vanishing', link).knows(SERVICE, server)
    vanishing.connect(SERVICE)
    world.run(1)
    vanishing.detach(vanishing.attached[0]!)
    world.run(40)
    download(files, [client.connect(SERVICE)], LIMITS_MS.retry)
    expect(server.sal.counters.cookieAsked).toBe(1)
    expect(world.exchange()).toContain('client > server SYN cookie')
  })

  it('longrtt: nor where a round trip takes 1.5 s', () => {
    const files = serve([SMALL_FILE], { link: { delayMs: 750 } })
    download(files, [files.client.connect(SERVICE)], LIMITS_MS.longrtt)
  })

  it('transfer: 2, 3 and 5 MiB come through three flows at once', () => {
    const files = serve([2 * MIB, 3 * MIB, 5 * MIB])
    const flows = Array.from({ length: 3 }, () => files.client.connect(SERVICE))
    download(files, flows, LIMITS_MS.transfer)
    expect(flows.reduce((sum, flow) => sum + flow.receivedBytes, 0)).toBe(10 * MIB)
  })

  it('multiplexing: a thousand small files come through a thousand flows', () => {
    const files = serve([32])
    const flows = Array.from({ length: 1000 }, () => files.client.connect(SERVICE, { timeoutMs: 60_000 }))
    download(files, flows, LIMITS_MS.multiplexing)
  })

  it('amplificationlimit: a client that falls silent after its SYN is sent three times as much at most', () => {
    const files = serve([SMALL_FILE])
    const { world, client } = files
    let syn = 0
    let answered = 0
    let answers = 0
    world.network.interceptors.push(({ from, bytes }) => {
      if (from.node !== client) {
        answered += bytes.length
        answers++
        return false
      }
      if (syn === 0) syn = bytes.length
      else return world.nowMs < 3000
      return false
    })
    const flow = client.connect(SERVICE)
    world.run(2999)
    expect(answers).toBeGreaterThan(1)
    expect(answered).toBeLessThanOrEqual(3 * syn)
    download(files, [flow], LIMITS_MS.amplificationlimit)
  })

  for (const [name, link] of [
    ['handshakeloss', { loss: 0.21, burst: { begins: 0.06, most: 3 } }],
    ['handshakecorruption', { corrupt: 0.3 }],
  ] as const) {
    it(`${name}: fifty connections of fifty, at 30 %`, () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const files = serve([SMALL_FILE], { link, seed })
        for (let connection = 0; connection < HANDSHAKES; connection++)
          download(files, [files.client.connect(SERVICE, { timeoutMs: 60_000 })], LIMITS_MS[name])
        expect(files.server.flows).toHaveLength(HANDSHAKES)
      }
    })
  }

  for (const [name, link, seeds] of [
    ['transferloss', { loss: 0.02 }, 1],
    ['transfercorruption', { corrupt: 0.02 }, 101],
  ] as const) {
    it(`${name}: 2 MiB come through 2 %`, () => {
      for (let seed = seeds; seed < seeds + SEEDS; seed++) {
        const files = serve([2 * MIB], { link, seed })
        download(files, [files.client.connect(SERVICE)], LIMITS_MS[name])
      }
    })
  }

  it('blackhole: 10 MiB come through a link that is dead for 2 s after every 5', () => {
    const files = serve([10 * MIB])
    const { world, link, client } = files
    const alternate = (down: boolean) => {
      link.set({ down })
      world.after(down ? 2000 : 5000, () => alternate(!down))
    }
    alternate(false)
    download(files, [client.connect(SERVICE)], LIMITS_MS.blackhole)
  })

  for (const what of ['port', 'addr'] as const) {
    it(`rebind-${what}: a NAT gives the client another ${what} after 1 s, and then every 5 s, and tells nobody`, () => {
      const files = serve([10 * MIB])
      const { world, client, server } = files
      const flow = client.connect(SERVICE)
      let rebindings = 0
      every5s(files, () => {
        const [port] = client.attached
        const number = ++rebindings
        const { address } = port!.endpoint
        world.network.rebind(port!, {
          address: what === 'addr' ? `192.0.2.${number}` : address,
          port: 9000 + number,
        })
      })
      download(files, [flow], LIMITS_MS.rebind)
      expect(rebindings).toBeGreaterThanOrEqual(2)
      expect([flow.moves, server.flows[0]!.moves]).toEqual([0, rebindings])
    })
  }

  for (const [how, move] of [
    ['moves to', chooseAnother],
    ['loses its address and gets', loseAddress],
  ] as const) {
    it(`connectionmigration: the client ${how} another after 1 s, and then every 5 s`, () => {
      const files = serve([10 * MIB])
      const flow = files.client.connect(SERVICE)
      every5s(files, () => move(files))
      download(files, [flow], LIMITS_MS.connectionmigration)
      expect(flow.moves).toBeGreaterThanOrEqual(2)
    })
  }

  it('goodput: nine tenths of 10 Mbit/s', () => {
    const files = serve([10 * MIB])
    const tookMs = download(files, [files.client.connect(SERVICE)], LIMITS_MS.goodput)
    expect((8 * 10 * MIB) / (tookMs * 1000)).toBeGreaterThan(9)
  })

  it('goodput: two flows share it, neither has more than three quarters', () => {
    const { world, client } = serve([20 * MIB])
    const flows = [client.connect(SERVICE), client.connect(SERVICE)]
    world.run(15_000)
    const sum = flows[0]!.receivedBytes + flows[1]!.receivedBytes
    for (const flow of flows) expect(flow.receivedBytes / sum).toBeGreaterThan(0.25)
  })

  for (const [name, why] of Object.entries(WITHOUT_MEANING)) it(`${name}: ${why}`, ({ skip }) => skip(why))
})

/** `act` after 1 s, and then every 5 s. */
function every5s({ world }: Files, act: () => void): void {
  const again = () => {
    act()
    world.after(5000, again)
  }
  world.after(1000, again)
}

function chooseAnother({ link, client }: Files): void {
  const flow = client.flows[0]!
  const [old] = client.attached
  client.migrate(flow, client.attach(link))
  if (old) flow.onEvent = event => event === 'moved' && client.detach(old)
}

function loseAddress({ link, client }: Files): void {
  const [old] = client.attached
  client.attach(link)
  if (old) client.detach(old)
}
