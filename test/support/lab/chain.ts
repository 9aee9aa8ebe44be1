/**
 * Hosts in a row, each a network namespace, each joined to the next by a cable of its own; those in between forward IP
 * packets, and may run a service router. All of them speak the 2014 profile.
 *
 *   client 10.14.1.1 --- 10.14.1.2 router 10.14.2.1 --- 10.14.2.2 router 10.14.3.1 --- 10.14.3.2 server
 *
 * With no router client and server share a link.
 */
import { Host } from './host.ts'
import { connect } from './namespace.ts'

/** Interfaces, towards the client and towards the server. */
const LEFT = 'left'
const RIGHT = 'right'

export class Chain {
  readonly #hosts: readonly Host[]

  constructor(routers: number) {
    const roles = ['client', ...Array.from({ length: routers }, (_, i) => `router${i + 1}`), 'server']
    this.#hosts = roles.map(role => new Host(role, { SERVAL_PROFILE: '2014' }))
    for (const [i, host] of this.#hosts.entries()) {
      const next = this.#hosts[i + 1]
      if (next !== undefined) connect(host.namespace, RIGHT, next.namespace, LEFT)
    }
    for (const [i, host] of this.#hosts.entries()) this.#configure(host, i)
  }

  get client(): Host {
    return this.#hosts[0]!
  }

  get server(): Host {
    return this.#hosts.at(-1)!
  }

  /** Of those between client and server, the nearest to the client first. */
  get routers(): readonly Host[] {
    return this.#hosts.slice(1, -1)
  }

  /** Where a host is reached by its neighbour on the client's side, the client by the one it has. */
  addressOf(host: Host): string {
    const index = this.#hosts.indexOf(host)
    return index === 0 ? leftEnd(1) : rightEnd(index)
  }

  /** Ends all programs and takes everything down. */
  close(): void {
    for (const host of this.#hosts) host.close()
  }

  #configure({ namespace }: Host, index: number): void {
    const last = this.#hosts.length - 1
    if (index > 0) namespace.ip('addr', 'add', `${rightEnd(index)}/24`, 'dev', LEFT)
    if (index < last) namespace.ip('addr', 'add', `${leftEnd(index + 1)}/24`, 'dev', RIGHT)
    if (index > 0 && index < last) namespace.sysctl('net.ipv4.ip_forward', 1)
    for (let subnet = 1; subnet < index; subnet++)
      namespace.ip('route', 'add', `10.14.${subnet}.0/24`, 'via', leftEnd(index))
    for (let subnet = index + 2; subnet <= last; subnet++)
      namespace.ip('route', 'add', `10.14.${subnet}.0/24`, 'via', rightEnd(index + 1))
  }
}

function leftEnd(subnet: number): string {
  return `10.14.${subnet}.1`
}

function rightEnd(subnet: number): string {
  return `10.14.${subnet}.2`
}
