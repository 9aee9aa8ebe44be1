/**
 * Where a benchmark runs: two network namespaces joined by a virtual Ethernet cable, MTU 1500, offloads as the kernel sets
 * them. Without root on Linux it is loopback, and the outcome says so.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect, Namespace, namespacesLack } from '../../test/support/lab/namespace.ts'
import { Program } from '../../test/support/lab/program.ts'

export type Side = 'left' | 'right'

export interface Place {
  readonly name: 'veth' | 'loopback'
  /** The left side has two, so that it can move. */
  readonly addresses: { readonly left: readonly [string, string]; readonly right: string }
  /** Starts a program of bench/peers on a side. */
  start(side: Side, program: string, args: readonly string[], env?: Readonly<Record<string, string>>): Program
  /** Takes an address of the left side away, and gives it back. */
  deleteAddress(address: string): void
  addAddress(address: string): void
  close(): void
}

/** The programs, as built. */
const PEERS = new URL('../peers/', import.meta.url)

/** `peers`: the folder of the programs, where it is not beside this one. */
export function openPlace(peers: URL = PEERS): Place {
  return namespacesLack() === undefined ? new VethPlace(peers) : new LoopbackPlace(peers)
}

/** Both ends need a directory that the other, on another host in real life, does not see. */
class Directories {
  readonly #root = mkdtempSync(join(tmpdir(), 'serval-bench-'))
  readonly #peers: URL

  constructor(peers: URL) {
    this.#peers = peers
  }

  start(
    side: Side,
    program: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    command: (file: string, ...args: string[]) => [string, string[]] = (file, ...rest) => [file, rest],
  ): Program {
    const script = fileURLToPath(new URL(`${program}.js`, this.#peers))
    const runtimeDir = join(this.#root, side)
    const [file, rest] = command(process.execPath, script, ...args)
    return new Program(file, rest, { cwd: this.#root, env: { SERVAL_RUNTIME_DIR: runtimeDir, ...env } })
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true })
  }
}

class VethPlace implements Place {
  readonly name = 'veth'
  readonly addresses = { left: ['10.82.0.1', '10.82.0.3'], right: '10.82.0.2' } as const
  readonly #left = new Namespace('left')
  readonly #right = new Namespace('right')
  readonly #directories: Directories

  constructor(peers: URL) {
    this.#directories = new Directories(peers)
    for (const namespace of [this.#left, this.#right])
      namespace.sysctl('net.ipv6.conf.default.disable_ipv6', 1)
    // A second address of the subnet is one in its own right, and stays when the first goes.
    this.#left.sysctl('net.ipv4.conf.all.promote_secondaries', 1)
    connect(this.#left, 'eth0', this.#right, 'eth0')
    for (const address of this.addresses.left) this.addAddress(address)
    this.#right.ip('addr', 'add', `${this.addresses.right}/24`, 'dev', 'eth0')
  }

  start(
    side: Side,
    program: string,
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Program {
    const namespace = side === 'left' ? this.#left : this.#right
    return this.#directories.start(side, program, args, env, (file, ...rest) =>
      namespace.command(file, ...rest),
    )
  }

  deleteAddress(address: string): void {
    this.#left.ip('addr', 'del', `${address}/24`, 'dev', 'eth0')
  }

  addAddress(address: string): void {
    this.#left.ip('addr', 'add', `${address}/24`, 'dev', 'eth0')
  }

  close(): void {
    this.#left.remove()
    this.#right.remove()
    this.#directories.remove()
  }
}

class LoopbackPlace implements Place {
  readonly name = 'loopback'
  readonly addresses = { left: ['127.0.0.1', '127.0.0.3'], right: '127.0.0.2' } as const
  readonly #directories: Directories

  constructor(peers: URL) {
    this.#directories = new Directories(peers)
  }

  start(
    side: Side,
    program: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Program {
    const bind = side === 'left' ? this.addresses.left.join(',') : this.addresses.right
    return this.#directories.start(side, program, args, { SERVAL_BIND: bind, ...env })
  }

  deleteAddress(): void {
    throw new Error('the addresses of loopback stay')
  }

  addAddress(): void {}

  close(): void {
    this.#directories.remove()
  }
}
