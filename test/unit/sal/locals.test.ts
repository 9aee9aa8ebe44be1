/** Which of its addresses a host uses towards a peer. */
import { describe, expect, it } from 'vitest'
import type { Local } from '../../../src/flow/path.ts'
import { Locals, reaches } from '../../../src/sal/locals.ts'
import { endpoint } from '../../../src/wire/endpoint.ts'

const ADDRESSES = [
  ['127.0.0.1', 8],
  ['10.0.0.5', 24],
  ['10.0.0.6', 16],
  ['192.168.1.5', 24],
  ['::1', 128],
  ['fd00::5', 64],
  ['fe80::5%eth0', 64],
  ['fe80::5%eth1', 64],
] as const

const locals = new Locals()
for (const [id, [address, prefixBits]] of ADDRESSES.entries())
  locals.add({ id, endpoint: endpoint(address, 4000), prefixBits, mtu: 1500 })

const ranked = (address: string) =>
  locals.ranked(endpoint(address, 5000)).map(local => local.endpoint.address)

describe('towards a peer a host uses', () => {
  it('the address of the longest common subnet, then any other of the family that is not loopback', () => {
    expect(ranked('10.0.0.9')).toEqual(['10.0.0.5', '10.0.0.6', '192.168.1.5'])
    expect(ranked('10.0.7.9')).toEqual(['10.0.0.6', '10.0.0.5', '192.168.1.5'])
    expect(ranked('8.8.8.8')).toEqual(['10.0.0.5', '10.0.0.6', '192.168.1.5'])
    expect(ranked('fd00::9')).toEqual(['fd00::5'])
  })

  it('its own address where that is the peer’s', () => {
    expect(ranked('192.168.1.5')[0]).toBe('192.168.1.5')
    expect(ranked('10.0.0.6')[0]).toBe('10.0.0.6')
  })

  it('loopback towards loopback, and nothing else', () => {
    expect(ranked('127.0.0.1')).toEqual(['127.0.0.1'])
    expect(ranked('127.3.4.5')).toEqual(['127.0.0.1'])
    expect(ranked('::1')).toEqual(['::1'])
  })

  it('a link-local address of the same zone', () => {
    expect(ranked('fe80::9%eth1')).toEqual(['fe80::5%eth1'])
    expect(ranked('fe80::9%eth2')).toEqual([])
  })
})

describe('a host', () => {
  it('tries its addresses in turn', () => {
    const remote = endpoint('10.0.0.9', 1)
    const turns: (string | undefined)[] = []
    let local: Local | undefined = locals.best(remote)
    for (let turn = 0; turn < 4; turn++) {
      turns.push(local?.endpoint.address)
      local = local && locals.after(local, remote)
    }
    expect(turns).toEqual(['10.0.0.5', '10.0.0.6', '192.168.1.5', '10.0.0.5'])
  })

  it('of one address has no other one', () => {
    const single = new Locals()
    const only = { id: 1, endpoint: endpoint('10.0.0.1', 1), prefixBits: 24, mtu: 1500 }
    single.add(only)
    expect(single.after(only, endpoint('10.0.0.2', 1))).toBeUndefined()
    expect(single.best(endpoint('fd00::1', 1))).toBeUndefined()
    expect(reaches(only, endpoint('10.9.9.9', 1))).toBe(true)
    expect(reaches(only, endpoint('fd00::1', 1))).toBe(false)
  })

  it('reaches itself through loopback, or through whatever it has', () => {
    expect(locals.ownEndpoint?.address).toBe('127.0.0.1')
    const others = new Locals()
    expect(others.ownEndpoint).toBeUndefined()
    others.add({ id: 1, endpoint: endpoint('10.0.0.1', 7), prefixBits: 24, mtu: 1500 })
    expect(others.ownEndpoint).toEqual(endpoint('10.0.0.1', 7))
    expect(others.remove(1)?.id).toBe(1)
    expect(others.remove(1)).toBeUndefined()
    expect(others.byId(1)).toBeUndefined()
  })
})
