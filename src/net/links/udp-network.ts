/** The host's own addresses, as the operating system tells them, and UDP links from them. */
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { canonicalAddress } from '../../id/address.ts'
import type { Endpoint } from '../../wire/endpoint.ts'
import { DgramLink } from './dgram-link.ts'
import { type KernelHelp, KernelLink } from './kernel-link.ts'
import type { HostAddress, Link, LinkEvents, Network } from './link.ts'
import { type Offload, type OffloadUse, systemOffload } from './offload.ts'

/** Where the system does not tell: what every Ethernet carries (RFC 894). */
const DEFAULT_MTU = 1500

export class UdpNetwork implements Network {
  readonly id = 'udp'
  readonly #offload: Offload | undefined
  readonly #mayCut: boolean

  /** `use`: what is used of what this system can. */
  constructor(use: OffloadUse = true) {
    this.#offload = use === 'dgram' ? undefined : systemOffload()
    this.#mayCut = use === true
  }

  addresses(): readonly HostAddress[] {
    return Object.entries(networkInterfaces()).flatMap(([name, entries = []]) => {
      // An alias such as eth0:1 is a label of eth0.
      const interfaceName = name.replace(/:.*/, '')
      const mtu = entries.length > 0 ? mtuOf(interfaceName) : DEFAULT_MTU
      return entries.map(entry => {
        const isLinkLocal = entry.family === 'IPv6' && entry.scopeid > 0
        const address = canonicalAddress(entry.address) ?? entry.address
        const prefixBits = Number(entry.cidr?.split('/')[1] ?? (entry.family === 'IPv6' ? 128 : 32))
        return {
          address: isLinkLocal ? `${address}%${interfaceName}` : address,
          prefixBits,
          mtu,
          interfaceName,
        }
      })
    })
  }

  /** What a socket keeps that is not received yet, as the kernel counts; undefined where none can be opened. */
  receiveBufferBytes(): number | undefined {
    try {
      const link = openUdpLink(0, { address: '127.0.0.1', port: 0 }, silent, this.#help(DEFAULT_MTU))
      link.close()
      return link.receiveBufferBytes
    } catch {
      return undefined
    }
  }

  open(id: number, { address, mtu }: HostAddress, port: number, events: LinkEvents): Link {
    return openUdpLink(id, { address, port }, events, this.#help(mtu))
  }

  #help(mtu: number): KernelHelp | undefined {
    const offload = this.#offload
    return offload && { offload, cuts: this.#mayCut && offload.cuts, mtu }
  }
}

/** A link by the best means there are. Throws the system's error. */
export function openUdpLink(
  id: number,
  local: Endpoint,
  events: LinkEvents,
  help: KernelHelp | undefined,
): DgramLink | KernelLink {
  return help === undefined ? new DgramLink(id, local, events) : new KernelLink(id, local, events, help)
}

const silent: LinkEvents = { onDatagram: () => undefined, onError() {}, onDrain() {} }

function mtuOf(interfaceName: string): number {
  try {
    return Number(readFileSync(`/sys/class/net/${interfaceName}/mtu`, 'utf8')) || DEFAULT_MTU
  } catch {
    return DEFAULT_MTU
  }
}
