/**
 * The laboratory: five hosts, each a network namespace, all joined by a sixth that forwards IP packets and runs nothing,
 * so that every way between two hosts is routed, and the traffic of each can be counted at its own interface.
 *
 *   client  wifi 10.81.1.2, fd81:1::2 ---+       +--- eth0 10.81.3.2, fd81:3::2  router (service router, controller)
 *           cell 10.81.2.2, fd81:2::2 ---+ core -+--- eth0 10.81.4.2, fd81:4::2  alpha
 *                                                +--- eth0 10.81.5.2, fd81:5::2  beta
 *
 * A packet leaves the client by the interface that has its source address, as with policy routing on a real host that has
 * two providers.
 */
import { execFileSync } from 'node:child_process'
import { Host } from './host.ts'
import { connect, Namespace } from './namespace.ts'
import { forgotten, type NatOptions, translate } from './nat.ts'

export interface LabOptions {
  /** Which addresses there are; default both. */
  readonly families?: readonly (4 | 6)[]
}

/** Bytes that crossed an interface, seen from its host. */
export interface Traffic {
  readonly receivedBytes: number
  readonly sentBytes: number
}

export class Lab {
  readonly client: LabHost
  readonly router: LabHost
  readonly alpha: LabHost
  readonly beta: LabHost
  readonly #core = new Namespace('core')

  constructor({ families = [4, 6] }: LabOptions = {}) {
    for (const name of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']) this.#core.sysctl(name, 1)
    const newHost = (role: string, interfaces: Record<string, number>) => {
      const host = new LabHost(role, families)
      for (const [name, subnet] of Object.entries(interfaces)) host.join(this.#core, name, subnet)
      return host
    }
    this.client = newHost('client', { wifi: 1, cell: 2 })
    this.router = newHost('router', { eth0: 3 })
    this.alpha = newHost('alpha', { eth0: 4 })
    this.beta = newHost('beta', { eth0: 5 })
  }

  /** Puts the client's wifi behind a NAT: others see it at the address that is returned. */
  translateWifi(options: NatOptions): string {
    const address = '10.81.9.9'
    translate(this.#core, '10.81.1.0/24', address, options)
    return address
  }

  /** Resolves when that NAT no longer knows whom the client has sent to. */
  forgotten(): Promise<void> {
    return forgotten(this.#core)
  }

  /** Ends all programs and takes everything down. */
  close(): void {
    for (const host of [this.client, this.router, this.alpha, this.beta]) host.close()
    this.#core.remove()
  }
}

export class LabHost extends Host {
  readonly #families: readonly (4 | 6)[]
  #core: Namespace | undefined
  /** The subnet of each. */
  readonly #interfaces = new Map<string, number>()

  constructor(role: string, families: readonly (4 | 6)[]) {
    super(role)
    this.#families = families
    // Neighbour discovery is traffic as well, where only IPv4 is wanted.
    if (!families.includes(6)) this.namespace.sysctl('net.ipv6.conf.default.disable_ipv6', 1)
  }

  /** Its address on an interface, or on its only one. */
  address(family: 4 | 6 = 4, name = 'eth0'): string {
    return addressIn(this.#subnet(name), family)
  }

  /** Connects a new interface to the core. */
  join(core: Namespace, name: string, subnet: number): void {
    const port = portOf(subnet)
    this.#core = core
    connect(this.namespace, name, core, port)
    for (const family of this.#families) {
      core.ip(
        'addr',
        'add',
        `${gatewayIn(subnet, family)}/${prefixBits(family)}`,
        'dev',
        port,
        ...noDad(family),
      )
    }
    this.#interfaces.set(name, subnet)
    this.restoreAddress(name)
  }

  /** Makes an interface, and the core's at the other end of its cable, take packets of `mtu` bytes at most. */
  resize(name: string, mtu: number): void {
    this.namespace.ip('link', 'set', name, 'mtu', String(mtu))
    this.#core?.ip('link', 'set', portOf(this.#subnet(name)), 'mtu', String(mtu))
  }

  /** Takes the addresses of an interface away, and with them its routes. */
  deleteAddress(name: string): void {
    const subnet = this.#subnet(name)
    for (const family of this.#families) {
      this.namespace.ip('addr', 'del', `${addressIn(subnet, family)}/${prefixBits(family)}`, 'dev', name)
      this.namespace.ip(`-${family}`, 'rule', 'del', 'from', addressIn(subnet, family))
    }
  }

  /** Gives them to it, with its own way out. */
  restoreAddress(name: string): void {
    const subnet = this.#subnet(name)
    for (const family of this.#families) {
      const ip = (...args: string[]) => this.namespace.ip(`-${family}`, ...args)
      const address = addressIn(subnet, family)
      const way = ['default', 'via', gatewayIn(subnet, family), 'dev', name]
      ip('addr', 'add', `${address}/${prefixBits(family)}`, 'dev', name, ...noDad(family))
      ip('route', 'replace', ...way, 'table', `${100 + subnet}`)
      ip('route', 'replace', ...way, 'metric', `${100 + subnet}`)
      ip('rule', 'add', 'from', address, 'lookup', `${100 + subnet}`)
    }
  }

  /** What has crossed an interface so far. */
  traffic(name = 'eth0'): Traffic {
    const [link] = JSON.parse(this.namespace.ip('-j', '-s', 'link', 'show', 'dev', name))
    return { receivedBytes: link.stats64.rx.bytes, sentBytes: link.stats64.tx.bytes }
  }

  /** UDP datagrams that it has taken and sent so far, over any interface (RFC 4113). */
  datagrams(): { readonly received: number; readonly sent: number } {
    const text = execFileSync(...this.namespace.command('cat', '/proc/net/snmp'), { encoding: 'utf8' })
    const [names, values] = [...text.matchAll(/^Udp: (.*)$/gm)].map(([, row]) => row!.split(' '))
    const counterOf = (name: string) => Number(values![names!.indexOf(name)])
    return { received: counterOf('InDatagrams'), sent: counterOf('OutDatagrams') }
  }

  #subnet(name: string): number {
    const subnet = this.#interfaces.get(name)
    if (subnet === undefined) throw new Error(`no interface ${name}`)
    return subnet
  }
}

function portOf(subnet: number): string {
  return `port${subnet}`
}

function addressIn(subnet: number, family: 4 | 6): string {
  return family === 4 ? `10.81.${subnet}.2` : `fd81:${subnet}::2`
}

function gatewayIn(subnet: number, family: 4 | 6): string {
  return family === 4 ? `10.81.${subnet}.1` : `fd81:${subnet}::1`
}

function prefixBits(family: 4 | 6): number {
  return family === 4 ? 24 : 64
}

/** An address on a cable of its own needs no search for duplicates, which would keep it from being used for a second. */
function noDad(family: 4 | 6): string[] {
  return family === 6 ? ['nodad'] : []
}
