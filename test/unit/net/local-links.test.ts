import { describe, expect, it } from 'vitest'
import type { HostAddress, Link, LinkEvents, Network } from '../../../src/net/links/link.ts'
import { LocalLinks } from '../../../src/net/local-links.ts'

class ScriptedNetwork implements Network {
  readonly id = 'udp'
  present: HostAddress[] = []
  /** Addresses that are there, but not listed: the interface is not known to be running yet. */
  readonly unlisted = new Set<string>()
  /** Codes that binding an address fails with. */
  readonly failing = new Map<string, string>()

  set(...texts: string[]): this {
    this.present = texts.map(text => {
      const [address = '', interfaceName = 'eth0'] = text.split(' ')
      return { address, prefixBits: 24, mtu: 1500, interfaceName }
    })
    return this
  }

  addresses(): readonly HostAddress[] {
    return this.present
  }

  open(id: number, { address }: HostAddress, port: number): Link {
    const isThere = this.unlisted.has(address) || this.present.some(host => host.address === address)
    const code =
      this.failing.get(address) ?? (isThere || address.startsWith('127.') ? undefined : 'EADDRNOTAVAIL')
    if (code !== undefined) throw Object.assign(new Error(`bind ${code} ${address}`), { code })
    const endpoint = { address, port: port || 1000 }
    return { id, endpoint, full: false, queuedBytes: 0, send: () => true, hold() {}, close() {} }
  }
}

const events: LinkEvents = { onDatagram: () => undefined, onError() {}, onDrain() {} }

function watch(network: ScriptedNetwork, bind: { address: string; port?: number }[] = []) {
  const log: string[] = []
  const links = new LocalLinks({
    network,
    bind: bind.map(({ address, port }) => ({ address, port })),
    defaultPort: 0,
    events,
    onAdded: local => log.push(`+${local.id} ${local.endpoint.address}`),
    onRemoved: local => log.push(`-${local.id} ${local.endpoint.address}`),
    onChanged: local => log.push(`${local.id} takes ${local.mtu}`),
  })
  return { links, log }
}

function start(network: ScriptedNetwork, bind: { address: string; port?: number }[] = []) {
  const watched = watch(network, bind)
  watched.links.start()
  return watched
}

describe('the links of a host', () => {
  it('follow its addresses, and never use a number again', () => {
    const network = new ScriptedNetwork().set('127.0.0.1 lo', '10.0.0.1')
    const { links, log } = start(network)
    network.set('127.0.0.1 lo', '10.0.0.2')
    links.look()
    network.set('127.0.0.1 lo', '10.0.0.1')
    links.look()
    links.close()
    expect(log).toEqual([
      '+1 127.0.0.1',
      '+2 10.0.0.1',
      '-2 10.0.0.1',
      '+3 10.0.0.2',
      '-3 10.0.0.2',
      '+4 10.0.0.1',
    ])
  })

  it('tell when an interface takes other packets than before, once', () => {
    const network = new ScriptedNetwork().set('10.0.0.1')
    const { links, log } = start(network)
    network.present = network.present.map(host => ({ ...host, mtu: 1400 }))
    links.look()
    links.look()
    links.close()
    expect(log).toEqual(['+1 10.0.0.1', '1 takes 1400'])
  })

  it.each(['EADDRNOTAVAIL', 'EINVAL', 'ENETUNREACH', 'ENETDOWN'])(
    'are looked at when a send fails with %s',
    code => {
      const network = new ScriptedNetwork().set('10.0.0.1', '10.0.0.2')
      const { links, log } = start(network)
      network.set('10.0.0.2')
      links.handleSendError('EMSGSIZE')
      expect(log).not.toContain('-1 10.0.0.1')
      links.handleSendError(code)
      links.close()
      expect(log).toContain('-1 10.0.0.1')
    },
  )

  it('try an address again that could not be bound yet', () => {
    const network = new ScriptedNetwork().set('127.0.0.1 lo', 'fd00::1')
    network.failing.set('fd00::1', 'EADDRNOTAVAIL')
    const { links, log } = start(network)
    expect(log).toEqual(['+1 127.0.0.1'])
    network.failing.clear()
    links.look()
    links.close()
    expect(log).toEqual(['+1 127.0.0.1', '+3 fd00::1'])
  })

  it('are those that were asked for, and no others', () => {
    const network = new ScriptedNetwork().set('127.0.0.1 lo', '10.0.0.1', 'fd00::1')
    expect(addressesOf(network, [{ address: '10.0.0.1', port: 7000 }, { address: '127.0.0.5' }])).toEqual([
      '10.0.0.1:7000',
      '127.0.0.5:1000',
    ])
    expect(addressesOf(network, [{ address: '0.0.0.0', port: 9 }])).toEqual(['127.0.0.1:9', '10.0.0.1:9'])
    expect(addressesOf(network, [{ address: '::', port: 9 }])).toEqual(['fd00::1:9'])
  })

  it('wait for one of several addresses, but not for the only one', () => {
    const network = new ScriptedNetwork().set('10.0.0.1')
    const { links, log } = start(network, [{ address: '10.0.0.1' }, { address: '10.0.0.2' }])
    network.set('10.0.0.1', '10.0.0.2')
    links.look()
    links.close()
    expect(log).toEqual(['+1 10.0.0.1', '+3 10.0.0.2'])
    expect(() => watch(network, [{ address: '10.0.0.3' }]).links.start()).toThrow(/EADDRNOTAVAIL 10\.0\.0\.3/)
  })

  it('take an address that was asked for before its interface is listed, and follow it from then on', () => {
    const network = new ScriptedNetwork().set('127.0.0.1 lo')
    network.unlisted.add('10.0.0.1')
    const { links, log } = start(network, [{ address: '10.0.0.1' }])
    const local = links.find('10.0.0.1')?.local
    expect(local).toMatchObject({ prefixBits: 32, mtu: 1280 })
    network.set('10.0.0.1')
    links.look()
    expect(local).toMatchObject({ prefixBits: 24, mtu: 1500 })
    network.set('127.0.0.1 lo')
    links.look()
    links.look()
    links.close()
    expect(log).toEqual(['+1 10.0.0.1', '1 takes 1500', '-1 10.0.0.1'])
  })

  it('are not opened where another program has the port', () => {
    const network = new ScriptedNetwork().set('10.0.0.1', '10.0.0.2')
    network.failing.set('10.0.0.2', 'EADDRINUSE')
    expect(() => watch(network).links.start()).toThrow('EADDRINUSE')
  })

  it('are found by address and by interface, and any loopback address can be had', () => {
    const network = new ScriptedNetwork().set('127.0.0.1 lo', '10.0.0.1', 'fd00::1')
    const { links } = start(network)
    expect(links.find('fd00:0::1')?.local.endpoint.address).toBe('fd00::1')
    expect(links.find('10.0.0.9')).toBeUndefined()
    expect(links.find('127.0.0.2')?.local.endpoint.address).toBe('127.0.0.2')
    expect(links.find('127.0.0.2')).toBe(links.find('127.0.0.2'))
    expect(links.findInterface('eth0', 6)?.local.endpoint.address).toBe('fd00::1')
    expect(links.findInterface('eth1', 4)).toBeUndefined()
    links.close()
  })
})

function addressesOf(network: ScriptedNetwork, bind: { address: string; port?: number }[]): string[] {
  const { links } = start(network, bind)
  const found = links.all.map(({ local }) => `${local.endpoint.address}:${local.endpoint.port}`)
  links.close()
  return found
}
