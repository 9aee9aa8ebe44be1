/** The search for a path's packet size, as data: which size is probed next, and what becomes of it. */
import { describe, expect, it } from 'vitest'
import {
  BASE_PACKET_BYTES,
  MAX_PROBES,
  PathMtu,
  PMTU_RAISE_TIMER_MS,
  PROBE_TIMER_MS,
} from '../../../src/transport/path-mtu.ts'

const RTO_MS = 200
const IPV4 = 28

/** One that begins at BASE, on an interface of `mtu`. */
function routed(mtu = 1500, overheadBytes = IPV4): PathMtu {
  return new PathMtu({ startBytes: BASE_PACKET_BYTES, maxBytes: mtu - overheadBytes, overheadBytes })
}

/** Searches over a path that carries IP packets of up to `pathMtu`; the MTUs that were probed, in order. */
function search(mtu: PathMtu, pathMtu: number, fromMs = 0): number[] {
  const probed: number[] = []
  let nowMs = fromMs
  for (let bytes = mtu.probeDue(RTO_MS, nowMs); bytes > 0; bytes = mtu.probeDue(RTO_MS, nowMs)) {
    probed.push(bytes + IPV4)
    if (bytes + IPV4 <= pathMtu) mtu.handleConfirmed()
    else nowMs = mtu.dueAt
  }
  return probed
}

describe('the search', () => {
  it('tries what most paths take first, and is done with one probe', () => {
    const mtu = routed()
    expect(search(mtu, 1500)).toEqual([1500])
    expect(mtu.packetBytes).toBe(1472)
    expect(mtu.dueAt).toBe(Number.POSITIVE_INFINITY)
  })

  it('tries what the interface takes next', () => {
    const mtu = routed(9000)
    expect(search(mtu, 9000)).toEqual([1500, 9000])
    expect(mtu.packetBytes).toBe(8972)
  })

  it('tries each size up to three times, then one between what passes and what does not', () => {
    const mtu = routed()
    const thrice = (size: number) => Array(MAX_PROBES).fill(size)
    expect(search(mtu, 1420)).toEqual([...thrice(1500), ...thrice(1450), 1400, 1420])
    expect(mtu.packetBytes).toBe(1420 - IPV4)
  })

  it.each([1228, 1280, 1399, 1400, 1412, 1492, 1500, 8500, 9000])('comes near to a path of %i', pathMtu => {
    const mtu = routed(9000)
    search(mtu, pathMtu)
    expect(mtu.packetBytes + IPV4).toBeLessThanOrEqual(pathMtu)
    expect(mtu.packetBytes + IPV4).toBeGreaterThanOrEqual(pathMtu - 60)
  })

  it('has one probe out at a time, and waits a second for its echo, or an RTO if that is longer', () => {
    const mtu = routed()
    expect(mtu.probeDue(RTO_MS, 0)).toBe(1472)
    expect(mtu.probeDue(RTO_MS, PROBE_TIMER_MS - 1)).toBe(0)
    expect(mtu.probeDue(3_000, PROBE_TIMER_MS)).toBe(1472)
    expect(mtu.dueAt).toBe(PROBE_TIMER_MS + 3_000)
  })

  it('begins again ten minutes after it has found less than the interface takes', () => {
    const mtu = routed()
    search(mtu, 1280)
    expect(mtu.packetBytes).toBe(1280 - IPV4)
    const againAt = mtu.dueAt
    expect(mtu.probeDue(RTO_MS, againAt - 1)).toBe(0)
    expect(search(mtu, 1500, againAt)).toEqual([1500])
    const settled = routed()
    settled.probeDue(RTO_MS, 0)
    settled.handleConfirmed()
    expect(settled.probeDue(RTO_MS, PMTU_RAISE_TIMER_MS)).toBe(0)
  })

  it('is not moved by an echo when no probe is out', () => {
    const mtu = routed()
    mtu.handleConfirmed()
    expect(mtu.packetBytes).toBe(BASE_PACKET_BYTES)
  })

  it('has nothing to look for where the interface takes no more', () => {
    expect(search(routed(1228), 1500)).toEqual([])
    const small = new PathMtu({ startBytes: 972, maxBytes: 972, overheadBytes: IPV4 })
    expect(search(small, 1500)).toEqual([])
    expect(small.packetBytes).toBe(972)
  })
})

describe('a size that is not carried', () => {
  const onLink = () => new PathMtu({ startBytes: 1472, maxBytes: 1472, overheadBytes: IPV4 })

  it('goes back to BASE at the second time-out in a row, and is searched for again', () => {
    const mtu = onLink()
    expect(mtu.handleTimeouts(1)).toBe(false)
    expect(mtu.handleTimeouts(2)).toBe(true)
    expect(mtu.packetBytes).toBe(BASE_PACKET_BYTES)
    expect(mtu.handleTimeouts(3)).toBe(false)
    search(mtu, 1400)
    expect(mtu.packetBytes).toBe(1400 - IPV4)
  })

  it('goes on to what every host takes when BASE does not pass either', () => {
    const mtu = onLink()
    for (const count of [1, 2, 3, 4, 5]) mtu.handleTimeouts(count)
    expect(mtu.packetBytes).toBe(576 - IPV4)
    expect(search(mtu, 1500)).toEqual([1500])
  })

  it('never goes below what every link of IPv6 carries', () => {
    const mtu = new PathMtu({ startBytes: 1452, maxBytes: 1452, overheadBytes: 48 })
    for (const count of [1, 2, 3, 4, 5]) mtu.handleTimeouts(count)
    expect(mtu.packetBytes).toBe(BASE_PACKET_BYTES)
  })

  it('goes back at once when the system refuses it', () => {
    const mtu = onLink()
    expect(mtu.handleRefused()).toBe(true)
    expect(mtu.packetBytes).toBe(BASE_PACKET_BYTES)
    expect(mtu.handleRefused()).toBe(false)
  })

  it('is given up as a probe, without a second try, when the system refuses that', () => {
    const mtu = routed(9000)
    expect(mtu.probeDue(RTO_MS, 0)).toBe(1472)
    mtu.handleConfirmed()
    expect(mtu.probeDue(RTO_MS, 0)).toBe(8972)
    expect(mtu.handleRefused()).toBe(false)
    expect(mtu.packetBytes).toBe(1472)
    expect(mtu.probeDue(RTO_MS, 0)).toBe(8500 - IPV4)
  })

  it('follows the interface down at once, and up by a probe', () => {
    const mtu = onLink()
    expect(mtu.setMax(1472)).toBe(false)
    expect(mtu.setMax(1372)).toBe(true)
    expect(mtu.packetBytes).toBe(1372)
    expect(mtu.setMax(8972)).toBe(false)
    expect(mtu.packetBytes).toBe(1372)
    expect(search(mtu, 9000)).toEqual([1500, 9000])
  })
})
