/** Loopback, where there can be no namespaces: both ends have addresses of their own there, which stay. */
import type { Program } from '../../test/support/lab/program.ts'
import { PeerFolder } from './peer-folder.ts'
import type { Place, Side } from './place.ts'

export class LoopbackPlace implements Place {
  readonly name = 'loopback'
  readonly addresses = { left: ['127.0.0.1', '127.0.0.3'], right: '127.0.0.2' } as const
  readonly #folder: PeerFolder

  constructor(peers: URL) {
    this.#folder = new PeerFolder(peers)
  }

  start(
    side: Side,
    program: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Program {
    const bind = side === 'left' ? this.addresses.left.join(',') : this.addresses.right
    return this.#folder.start(side, program, args, { env: { SERVAL_BIND: bind, ...env } })
  }

  deleteAddress(): void {
    throw new Error('the addresses of loopback stay')
  }

  addAddress(): void {}

  impaired(): Promise<Place> {
    return Promise.reject(new Error('loopback is as it is'))
  }

  setTcpAlgorithm(): void {
    throw new Error('the TCP of this host is not ours to change')
  }

  close(): void {
    this.#folder.remove()
  }
}
