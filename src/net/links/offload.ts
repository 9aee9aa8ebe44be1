/**
 * The kernel's help with batches on Linux: UDP_SEGMENT cuts one send into many datagrams, UDP_GRO merges those that come
 * in (udp(7)); where it may not, sendmmsg(2) and recvmmsg(2) take many with one call. Node has no name for any of them, so
 * they are called through koffi (optional), which costs half a microsecond above the system's own time. Who tells that there
 * is something to receive: descriptor-watch.ts.
 */
import { createRequire } from 'node:module'
import { constants, endianness } from 'node:os'
import { getSystemErrorName } from 'node:util'
import { type Endpoint, endpointFamily } from '../../wire/endpoint.ts'
import { type Poll, type Watch, type WatchEvents, watch } from './descriptor-watch.ts'
import { SOCKET_ADDRESS_BYTES, socketAddressOf } from './socket-address.ts'
import { SOCKET_BUFFER_BYTES } from './socket-buffers.ts'

export interface Offload {
  /** Whether this kernel cuts and merges (Linux 4.18 and 5.0). */
  readonly cuts: boolean
  /**
   * A bound descriptor, the caller's to close; throws the system's error. `isShared`: beside others of this user's
   * (SO_REUSEPORT), each taking its part. `merges` false: what comes is not merged. Default: alone, merged.
   */
  openSocket(local: Endpoint, how?: { readonly isShared?: boolean; readonly merges?: boolean }): number
  closeSocket(fd: number): void
  /** The port that the socket is bound to. Throws the system's error. */
  portOf(fd: number): number
  /** What the kernel keeps until it is received, as it counts: with its own overhead (socket(7)). */
  receiveBufferBytes(fd: number): number
  /** Tells of a bound descriptor, which is the watch's from now on. Throws the system's error, and then it is closed. */
  watch(fd: number, local: Endpoint, events: WatchEvents): Watch
  /** Where the bytes of a view lie. It holds as long as somebody keeps the view. */
  addressOf(bytes: Uint8Array): number
  /** sendmsg(2), never waiting, with the struct msghdr at an address. 0, or the system's error number. */
  send(fd: number, message: number): number
  /**
   * Receives at once into the `bytes` that lie at address `buffer`, a datagram or several merged ones, and into the 28 at `from`
   * the socket address of their sender. How many bytes; negative: there is nothing.
   */
  receive(fd: number, buffer: number, bytes: number, from: number): number
  /** Sends `count` struct mmsghdr; returns how many before one failed, or the negative error number if the first did. */
  sendMany(fd: number, messages: number, count: number): number
  /** Fills `count` struct mmsghdr with what is there at once; returns how many. Negative: there is nothing. */
  receiveMany(fd: number, messages: number, count: number): number
}

/**
 * What is used of it: true all; false: no cutting and merging, so that datagrams go one by one, many with a call;
 * 'dgram': nothing, node:dgram alone.
 */
export type OffloadUse = boolean | 'dgram'

let loaded: { readonly offload: Offload | undefined } | undefined

/** What this system can; undefined: nothing. */
export function systemOffload(): Offload | undefined {
  loaded ??= { offload: loadOffload() }
  return loaded.offload
}

function loadOffload(): Offload | undefined {
  const koffi = loadKoffi()
  return koffi?.node?.poll === undefined ? undefined : new LinuxOffload(koffi)
}

/** Where the ABI is the one that this code knows; undefined elsewhere, and where it is not installed: plain dgram does everything, slower. */
export function loadKoffi(): Koffi | undefined {
  const is64Bit = process.arch === 'x64' || process.arch === 'arm64'
  const isKnownAbi = process.platform === 'linux' && is64Bit && endianness() === 'LE'
  if (!isKnownAbi) return undefined
  try {
    return createRequire(import.meta.url)('koffi')
  } catch {
    return undefined
  }
}

/** What is used of koffi. */
export interface Koffi {
  load(path: null): { func(definition: string): (...args: unknown[]) => number }
  address(bytes: Uint8Array): bigint
  errno(): number
  /** libuv's watching of descriptors (uv_poll_t). */
  readonly node: { poll: Poll }
}

/** Numbers of the Linux ABI, the same on x86-64 and arm64. */
const LINUX = {
  AF_INET: 2,
  AF_INET6: 10,
  SOCK_DGRAM: 2,
  SOCK_NONBLOCK: 0o4000,
  SOCK_CLOEXEC: 0o2000000,
  SOL_SOCKET: 1,
  SO_REUSEPORT: 15,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  SO_SNDBUFFORCE: 32,
  SO_RCVBUFFORCE: 33,
  MSG_DONTWAIT: 0x40,
  MSG_NOSIGNAL: 0x4000,
  IPPROTO_IP: 0,
  IP_MTU_DISCOVER: 10,
  IP_PMTUDISC_PROBE: 3,
  IPPROTO_IPV6: 41,
  IPV6_MTU_DISCOVER: 23,
  IPV6_V6ONLY: 26,
  IPPROTO_UDP: 17,
  UDP_SEGMENT: 103,
  UDP_GRO: 104,
} as const

const NEW_SOCKET = LINUX.SOCK_DGRAM | LINUX.SOCK_NONBLOCK | LINUX.SOCK_CLOEXEC

class LinuxOffload implements Offload {
  readonly cuts: boolean
  readonly #koffi: Koffi
  readonly #socket: (domain: number, type: number, protocol: number) => number
  readonly #bind: (fd: number, address: Uint8Array, length: number) => number
  readonly #close: (fd: number) => number
  readonly #getsockname: (fd: number, address: Uint8Array, length: Uint32Array) => number
  readonly #getsockopt: (
    fd: number,
    level: number,
    name: number,
    value: Int32Array,
    length: Uint32Array,
  ) => number
  readonly #setsockopt: (fd: number, level: number, name: number, value: Int32Array, length: number) => number
  readonly #sendmsg: (fd: number, message: number, flags: number) => number
  readonly #recvfrom: (
    fd: number,
    buffer: number,
    length: number,
    flags: number,
    from: number,
    fromLength: number,
  ) => number
  readonly #sendmmsg: (fd: number, messages: number, count: number, flags: number) => number
  readonly #recvmmsg: (fd: number, messages: number, count: number, flags: number, timeout: number) => number
  readonly #value = new Int32Array(1)
  readonly #length = new Uint32Array(new ArrayBuffer(4))
  readonly #lengthAddress: number

  constructor(koffi: Koffi) {
    const libc = koffi.load(null)
    this.#koffi = koffi
    this.#socket = libc.func('int socket(int domain, int type, int protocol)')
    this.#bind = libc.func('int bind(int fd, const void *address, uint32_t length)')
    this.#close = libc.func('int close(int fd)')
    this.#getsockname = libc.func('int getsockname(int fd, void *address, void *length)')
    this.#getsockopt = libc.func('int getsockopt(int fd, int level, int name, void *value, void *length)')
    this.#setsockopt = libc.func(
      'int setsockopt(int fd, int level, int name, const void *value, uint32_t length)',
    )
    this.#sendmsg = libc.func('intptr_t sendmsg(int fd, uintptr_t message, int flags)')
    this.#recvfrom = libc.func(
      'intptr_t recvfrom(int fd, uintptr_t buffer, size_t length, int flags, uintptr_t from, uintptr_t fromLength)',
    )
    this.#sendmmsg = libc.func('int sendmmsg(int fd, uintptr_t messages, uint count, int flags)')
    this.#recvmmsg = libc.func(
      'int recvmmsg(int fd, uintptr_t messages, uint count, int flags, uintptr_t timeout)',
    )
    this.#lengthAddress = this.addressOf(new Uint8Array(this.#length.buffer))
    this.cuts = this.#hasOffloads()
  }

  openSocket(local: Endpoint, { isShared = false, merges = true } = {}): number {
    const isV6 = endpointFamily(local) === 6
    const socketAddress = socketAddressOf(local)
    const fd = this.#socket(isV6 ? LINUX.AF_INET6 : LINUX.AF_INET, NEW_SOCKET, 0)
    if (fd < 0) throw this.#error('socket', local)
    if (isShared) this.#set(fd, LINUX.SOL_SOCKET, LINUX.SO_REUSEPORT, 1)
    if (merges) this.#enableOffloads(fd)
    this.#forbidFragments(fd, isV6)
    this.#enlargeBuffers(fd)
    if (this.#bind(fd, socketAddress, socketAddress.length) === 0) return fd
    const error = this.#error('bind', local)
    this.#close(fd)
    throw error
  }

  closeSocket(fd: number): void {
    this.#close(fd)
  }

  portOf(fd: number): number {
    const address = new Uint8Array(SOCKET_ADDRESS_BYTES)
    this.#length[0] = address.length
    if (this.#getsockname(fd, address, this.#length) < 0) throw this.#error('getsockname')
    return (address[2]! << 8) | address[3]!
  }

  receiveBufferBytes(fd: number): number {
    this.#length[0] = this.#value.byteLength
    this.#getsockopt(fd, LINUX.SOL_SOCKET, LINUX.SO_RCVBUF, this.#value, this.#length)
    return this.#value[0]!
  }

  watch(fd: number, local: Endpoint, events: WatchEvents): Watch {
    const { poll } = this.#koffi.node
    return watch(poll, { fd, local, close: () => this.#close(fd) }, events)
  }

  addressOf(bytes: Uint8Array): number {
    return Number(this.#koffi.address(bytes))
  }

  send(fd: number, message: number): number {
    const sent = this.#sendmsg(fd, message, LINUX.MSG_DONTWAIT | LINUX.MSG_NOSIGNAL)
    return sent < 0 ? this.#koffi.errno() : 0
  }

  receive(fd: number, buffer: number, bytes: number, from: number): number {
    this.#length[0] = SOCKET_ADDRESS_BYTES
    return this.#recvfrom(fd, buffer, bytes, LINUX.MSG_DONTWAIT, from, this.#lengthAddress)
  }

  sendMany(fd: number, messages: number, count: number): number {
    const sent = this.#sendmmsg(fd, messages, count, LINUX.MSG_DONTWAIT | LINUX.MSG_NOSIGNAL)
    return sent < 0 ? -(this.#koffi.errno() || constants.errno.EIO) : sent
  }

  receiveMany(fd: number, messages: number, count: number): number {
    return this.#recvmmsg(fd, messages, count, LINUX.MSG_DONTWAIT, 0)
  }

  #hasOffloads(): boolean {
    const fd = this.#socket(LINUX.AF_INET, LINUX.SOCK_DGRAM | LINUX.SOCK_CLOEXEC, 0)
    if (fd < 0) return false
    const hasThem = this.#enableOffloads(fd)
    this.#close(fd)
    return hasThem
  }

  #enableOffloads(fd: number): boolean {
    const { IPPROTO_UDP, UDP_SEGMENT, UDP_GRO } = LINUX
    return this.#set(fd, IPPROTO_UDP, UDP_SEGMENT, 0) && this.#set(fd, IPPROTO_UDP, UDP_GRO, 1)
  }

  /** Sets DF and leaves the path's MTU to the transport, which proves it (RFC 8899 section 4.1). */
  #forbidFragments(fd: number, isV6: boolean): void {
    if (isV6) {
      this.#set(fd, LINUX.IPPROTO_IPV6, LINUX.IPV6_V6ONLY, 1)
      this.#set(fd, LINUX.IPPROTO_IPV6, LINUX.IPV6_MTU_DISCOVER, LINUX.IP_PMTUDISC_PROBE)
    } else this.#set(fd, LINUX.IPPROTO_IP, LINUX.IP_MTU_DISCOVER, LINUX.IP_PMTUDISC_PROBE)
  }

  /** Root may have more than net.core.rmem_max. */
  #enlargeBuffers(fd: number): void {
    const { SOL_SOCKET, SO_RCVBUF, SO_RCVBUFFORCE, SO_SNDBUF, SO_SNDBUFFORCE } = LINUX
    for (const [force, plain] of [
      [SO_RCVBUFFORCE, SO_RCVBUF],
      [SO_SNDBUFFORCE, SO_SNDBUF],
    ] as const) {
      if (!this.#set(fd, SOL_SOCKET, force, SOCKET_BUFFER_BYTES))
        this.#set(fd, SOL_SOCKET, plain, SOCKET_BUFFER_BYTES)
    }
  }

  #set(fd: number, level: number, name: number, value: number): boolean {
    this.#value[0] = value
    return this.#setsockopt(fd, level, name, this.#value, this.#value.byteLength) === 0
  }

  #error(syscall: string, local?: Endpoint): NodeJS.ErrnoException {
    const errno = this.#koffi.errno()
    const code = getSystemErrorName(-errno)
    const where = local === undefined ? '' : ` ${local.address}:${local.port}`
    return Object.assign(new Error(`${syscall} ${code}${where}`), { errno: -errno, code, syscall, ...local })
  }
}
