/** Two network namespaces, each with an interface `eth0` that somebody has joined. */
import { Namespace } from '../../test/support/lab/namespace.ts'
import type { Program } from '../../test/support/lab/program.ts'
import type { Impairment } from './delay-line.ts'
import { PeerFolder } from './peer-folder.ts'
import type { Place, Side } from './place.ts'

export class NamespacePlace implements Place {
  readonly name = 'veth'
  readonly addresses = { left: ['10.82.0.1', '10.82.0.3'], right: '10.82.0.2' } as const
  readonly left = new Namespace('left')
  readonly right = new Namespace('right')
  readonly #folder: PeerFolder
  /** By their impairment. */
  readonly #impaired = new Map<string, ImpairedPlace>()

  constructor(peers: URL) {
    this.#folder = new PeerFolder(peers)
    for (const namespace of [this.left, this.right]) namespace.sysctl('net.ipv6.conf.default.disable_ipv6', 1)
    // Thousands of connections one after the other leave the kernel's TCP short of ports, and slow: not what is measured.
    this.left.sysctl('net.ipv4.ip_local_port_range', '1024 65535')
    this.left.sysctl('net.ipv4.tcp_tw_reuse', 1)
    // A second address of the subnet is one in its own right, and stays when the first goes.
    this.left.sysctl('net.ipv4.conf.all.promote_secondaries', 1)
  }

  /** To be called once there is an `eth0` at either side. */
  assignAddresses(): void {
    for (const address of this.addresses.left) this.addAddress(address)
    this.right.ip('addr', 'add', `${this.addresses.right}/24`, 'dev', 'eth0')
    for (const namespace of [this.left, this.right]) namespace.ip('link', 'set', 'eth0', 'up')
  }

  start(
    side: Side,
    program: string,
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Program {
    const namespace = side === 'left' ? this.left : this.right
    const command = (file: string, ...rest: string[]) => namespace.command(file, ...rest)
    return this.#folder.start(side, program, args, { env, command })
  }

  deleteAddress(address: string): void {
    this.left.ip('addr', 'del', `${address}/24`, 'dev', 'eth0')
  }

  addAddress(address: string): void {
    this.left.ip('addr', 'add', `${address}/24`, 'dev', 'eth0')
  }

  async impaired(impairment: Impairment): Promise<Place> {
    const key = JSON.stringify(impairment)
    const place = this.#impaired.get(key) ?? new ImpairedPlace(this.#folder.url, impairment)
    this.#impaired.set(key, place)
    await place.joined
    return place
  }

  setTcpAlgorithm(name: string): void {
    // By route, as the kernel lets a namespace choose no other default than some (tcp_allowed_congestion_control).
    this.left.ip('route', 'replace', this.addresses.right, 'dev', 'eth0', 'congctl', name)
  }

  close(): void {
    for (const place of this.#impaired.values()) place.close()
    this.left.remove()
    this.right.remove()
    this.#folder.remove()
  }
}

/** Two namespaces joined by peers/impaired-link, which runs in a third. */
class ImpairedPlace extends NamespacePlace {
  readonly joined: Promise<void>
  readonly #core = new Namespace('link')
  readonly #linkFolder: PeerFolder

  constructor(peers: URL, impairment: Impairment) {
    super(peers)
    this.#linkFolder = new PeerFolder(peers)
    this.joined = this.#join(impairment)
  }

  async #join(impairment: Impairment): Promise<void> {
    const link = this.#linkFolder.start('link', 'impaired-link', [JSON.stringify(impairment)], {
      command: (file, ...rest) => this.#core.command(file, ...rest),
    })
    await link.event('ready')
    // A TUN device goes on working in another namespace than that of the process that holds it.
    for (const side of ['left', 'right'] as const) {
      this.#core.ip('link', 'set', side, 'netns', this[side].name, 'name', 'eth0')
    }
    this.assignAddresses()
  }

  override close(): void {
    super.close()
    this.#core.remove()
    this.#linkFolder.remove()
  }
}
