/**
 * Raw sockets of IPv4 (raw(7)) under dgram's event loop. Node opens none, so the descriptor is made through koffi
 * (optional), and takes the place of a UDP socket's that dgram has just been given by its public `bind({ fd })`: libuv
 * then waits for it, receives with recvmsg and sends with sendmsg, which work on raw sockets as they do on UDP's.
 *
 * (The package raw-socket would do without that, but it is compiled at installation, hands the same buffer to every
 * receiver, sends one packet a turn of the event loop, and cannot bind.)
 */
import { createSocket, type Socket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { getSystemErrorName } from 'node:util'
import { ServalError } from '../../errors.ts'
import { IP_PROTOCOL_SERVAL } from '../../wire/ipv4.ts'
import { socketAddressOf } from './socket-address.ts'
import { SOCKET_BUFFER_BYTES } from './socket-buffers.ts'

/** What is used of koffi. */
interface Koffi {
  load(path: null): { func(definition: string): (...args: unknown[]) => number }
  errno(): number
}

/** Numbers of the Linux ABI, the same on x86-64 and arm64. */
const AF_INET = 2
const SOCK_DGRAM = 2
const SOCK_RAW = 3
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SO_BROADCAST = 6
const SO_RCVBUFFORCE = 33
/** Sends headers as they are, and receives nothing. */
const IPPROTO_RAW = 255

export class RawSockets {
  readonly #koffi: Koffi
  readonly #socket: (domain: number, type: number, protocol: number) => number
  readonly #bind: (fd: number, address: Uint8Array, length: number) => number
  readonly #setsockopt: (fd: number, level: number, name: number, value: Int32Array, length: number) => number
  readonly #dup: (fd: number, over: number, flags: number) => number
  readonly #close: (fd: number) => number

  /** Throws ERAWSOCKET where koffi is missing, or the system is not Linux. */
  constructor() {
    if (process.platform !== 'linux') throw unusable('they are offered on Linux only', 'ENOSYS')
    let koffi: Koffi
    try {
      koffi = createRequire(import.meta.url)('koffi')
    } catch (cause) {
      throw unusable('the optional package koffi is not installed', 'ENOSYS', cause)
    }
    const libc = koffi.load(null)
    this.#koffi = koffi
    this.#socket = libc.func('int socket(int domain, int type, int protocol)')
    this.#bind = libc.func('int bind(int fd, const void *address, uint32_t length)')
    this.#setsockopt = libc.func(
      'int setsockopt(int fd, int level, int name, const void *value, uint32_t length)',
    )
    this.#dup = libc.func('int dup3(int fd, int over, int flags)')
    this.#close = libc.func('int close(int fd)')
  }

  /** Gets every packet of protocol 144 that is for this host, IPv4 header first. Throws ERAWSOCKET without CAP_NET_RAW. */
  openReceiver(): Socket {
    const fd = this.#open(IP_PROTOCOL_SERVAL)
    this.#set(fd, SO_RCVBUFFORCE, SOCKET_BUFFER_BYTES)
    return this.#handOver(fd)
  }

  /** Sends packets with their IPv4 headers, by the way that the system has from `address`. */
  openSender(address: string): Socket {
    const fd = this.#open(IPPROTO_RAW)
    const local = socketAddressOf({ address, port: 0 })
    if (this.#bind(fd, local, local.length) !== 0) throw this.#failed('bind', address, fd)
    this.#set(fd, SO_BROADCAST, 1)
    return this.#handOver(fd)
  }

  /**
   * How many sockets of this host (of this network namespace) get packets of protocol 144, whoever opened them. Undefined
   * where the system does not tell.
   */
  receivers(): number | undefined {
    try {
      return countReceivers(readFileSync(OPEN_SOCKETS, 'latin1'))
    } catch {
      return undefined
    }
  }

  #open(protocol: number): number {
    const fd = this.#socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol)
    if (fd >= 0) return fd
    const code = getSystemErrorName(-this.#koffi.errno())
    throw unusable('root, or the capability CAP_NET_RAW, is needed to open them', code)
  }

  /** Before libuv first waits for a descriptor it has told the kernel nothing of it. */
  #handOver(raw: number): Socket {
    const placeholder = this.#socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if (placeholder < 0) throw this.#failed('socket', '', raw)
    // Addresses are literal here; answering at once makes dgram's calls synchronous.
    const lookup = (host: string, _options: unknown, answer: (e: null, a: string, f: number) => void) =>
      answer(null, host, 4)
    const socket = createSocket({ type: 'udp4', lookup: lookup as never })
    socket.bind({ fd: placeholder, exclusive: true })
    this.#dup(raw, placeholder, SOCK_CLOEXEC)
    this.#close(raw)
    return socket
  }

  #set(fd: number, name: number, value: number): void {
    const bytes = Int32Array.of(value)
    this.#setsockopt(fd, SOL_SOCKET, name, bytes, bytes.byteLength)
  }

  #failed(syscall: string, address: string, fd: number): NodeJS.ErrnoException {
    const code = getSystemErrorName(-this.#koffi.errno())
    this.#close(fd)
    return Object.assign(new Error(`${syscall} ${code} ${address}`), { code, syscall, address })
  }
}

/** In the table of proc(5) an address is that of a raw socket, and the port is its protocol. */
export function countReceivers(table: string): number {
  return table.match(RECEIVER)?.length ?? 0
}

const OPEN_SOCKETS = '/proc/net/raw'
const PROTOCOL_HEX = IP_PROTOCOL_SERVAL.toString(16).toUpperCase().padStart(4, '0')
const RECEIVER = new RegExp(`^ *\\d+: [0-9A-F]{8}:${PROTOCOL_HEX} `, 'gm')

function unusable(reason: string, system: string, cause?: unknown): ServalError {
  return new ServalError('ERAWSOCKET', { reason, system }, { cause })
}
