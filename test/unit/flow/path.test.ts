/** Paths: how much an unproven one may be sent, which ones are kept, and what is known of an address. */
import { describe, expect, it } from 'vitest'
import { AMPLIFICATION_LIMIT, commonPrefixBits, isOnLink, type Local, Path } from '../../../src/flow/path.ts'
import { FORMER_PATHS_LIMIT, PathSet } from '../../../src/flow/path-set.ts'
import { TransportPath } from '../../../src/transport/path.ts'
import { endpoint } from '../../../src/wire/endpoint.ts'

const local = (id: number, address = `10.0.0.${id}`, mtu = 1500): Local => {
  return { id, endpoint: endpoint(address, 4000 + id), prefixBits: 24, mtu }
}
const remote = (id: number) => endpoint(`10.9.0.${id}`, 5000)

describe('an unproven path', () => {
  it('is sent three times what came from there, to the byte', () => {
    const path = new Path(local(1), remote(1), new TransportPath({ id: 0, mss: 1000 }))
    expect(path.admits(1)).toBe(false)
    path.credit.receivedBytes = 100
    expect([path.admits(300), path.admits(301)]).toEqual([true, false])
    path.credit.sentBytes = 250
    expect([path.admits(50), path.admits(51)]).toEqual([true, false])
    expect(AMPLIFICATION_LIMIT).toBe(3)
  })

  it('that is proven is sent anything', () => {
    const path = new Path(local(1), remote(1), new TransportPath({ id: 0, mss: 1000 }))
    path.proven = true
    expect(path.admits(1e9)).toBe(true)
  })
})

describe('the paths of a flow', () => {
  const proven = (paths: PathSet, id: number) => {
    const path = paths.open(local(id), remote(id))
    path.proven = true
    return path
  }

  it('are the active one and the last four proven ones, newest first', () => {
    const paths = new PathSet()
    for (let id = 1; id <= 8; id++) paths.adopt(proven(paths, id))
    expect(paths.active?.local.id).toBe(8)
    expect(paths.all.map(path => path.local.id)).toEqual([8, 7, 6, 5, 4])
    expect(paths.formerCount).toBe(FORMER_PATHS_LIMIT)
  })

  it('are not kept that were never proven', () => {
    const paths = new PathSet()
    paths.adopt(paths.open(local(1), remote(1)))
    paths.adopt(proven(paths, 2))
    expect(paths.all.map(path => path.local.id)).toEqual([2])
  })

  it('are there once each, also after coming back', () => {
    const paths = new PathSet()
    for (const id of [1, 2, 1, 2, 1]) paths.adopt(proven(paths, id))
    expect(paths.all.map(path => path.local.id)).toEqual([1, 2])
  })

  it('say which addresses are the peer’s', () => {
    const paths = new PathSet()
    expect(paths.proves(remote(1))).toBe(false)
    paths.adopt(proven(paths, 1))
    paths.adopt(paths.open(local(2), remote(2)))
    expect([1, 2, 3].map(id => paths.proves(remote(id)))).toEqual([true, false, false])
    expect(paths.proves(endpoint('10.9.0.1', 5001))).toBe(false)
    expect(paths.find(1, remote(1))?.local.id).toBe(1)
    expect(paths.find(2, remote(1))).toBeUndefined()
  })

  it('have segments for the link’s packets on the link, and for what every path carries beyond it', () => {
    const paths = new PathSet()
    const mss = (from: Local, to: string) => paths.open(from, endpoint(to, 1)).transport.mss
    const HEADERS = 4 + 12 + 20
    expect(mss(local(1), '10.0.0.9')).toBe(1500 - 28 - HEADERS)
    expect(mss(local(1), '10.1.0.9')).toBe(1200 - HEADERS)
    expect(mss(local(1, '127.0.0.1', 65_536), '127.0.0.1')).toBe(9000 - HEADERS)
    expect(mss({ ...local(1, 'fd00::1'), prefixBits: 64 }, 'fd00::2')).toBe(1500 - 48 - HEADERS)
  })
})

describe('a common prefix', () => {
  it('is counted in bits, within a family, zones apart', () => {
    expect(commonPrefixBits('10.0.0.1', '10.0.0.1')).toBe(32)
    expect(commonPrefixBits('10.0.0.1', '10.0.0.2')).toBe(30)
    expect(commonPrefixBits('10.0.0.1', '138.0.0.1')).toBe(0)
    expect(commonPrefixBits('fe80::1%eth0', 'fe80::1')).toBe(128)
    expect(commonPrefixBits('10.0.0.1', '::1')).toBe(0)
    expect(commonPrefixBits('host', '10.0.0.1')).toBe(0)
  })

  it('as long as the subnet’s makes a neighbour', () => {
    expect(isOnLink(local(1), endpoint('10.0.0.200', 1))).toBe(true)
    expect(isOnLink(local(1), endpoint('10.0.1.1', 1))).toBe(false)
  })
})
