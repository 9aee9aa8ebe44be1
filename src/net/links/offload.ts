/**
 * The kernel's help with batches on Linux: UDP_SEGMENT cuts one send into many datagrams, UDP_GRO merges those that come
 * in (udp(7)). Node has no name for either, so the descriptor is made here, through koffi (optional), and handed to
 * dgram by its public `bind({ fd })`.
 */
import { createRequire } from 'node:module'
import { endianness, networkInterfaces } from 'node:os'
import { getSystemErrorName } from 'node:util'
import { addressBytes } from '../../id/address.ts'
import { SOCKET_BUFFER_BYTES } from './socket-buffers.ts'

export interface Offload {
  /** A bound descriptor, the caller's to close; throws the system's error. */
  openSocket(address: string, port: number): number
  /** Closes what no dgram socket has taken over. */
  closeSocket(fd: number): void
  /** Datagrams longer than `bytes` are cut into such from now on; 0: never. False where the kernel refuses. */
  setSegmentBytes(fd: number, bytes: number): boolean
  /**
   * Receives into `buffer` at once: the bytes of a datagram, or of several merged ones, and into `from` (28 bytes or more)
   * the socket address of their sender. Negative: there is nothing.
   */
  receive(fd: number, buffer: Uint8Array, from: Uint8Array): number
}

let loaded: { readonly offload: Offload | undefined } | undefined

/** What this system can; undefined: nothing. */
export function systemOffload(): Offload | undefined {
  loaded ??= { offload: loadOffload() }
  return loaded.offload
}

function loadOffload(): Offload | undefined {
  const isKnownAbi = process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64')
  if (!isKnownAbi) return undefined
  try {
    const offload = new LinuxOffload(createRequire(import.meta.url)('koffi'))
    return offload.works() ? offload : undefined
  } catch {
    // Not installed, or not for this system: plain dgram does everything, slower.
    return undefined
  }
}

/** What is used of koffi. */
interface Koffi {
  load(path: null): { func(definition: string): (...args: unknown[]) => number }
  errno(): number
}

/** Numbers of the Linux ABI, the same on x86-64 and arm64. */
const LINUX = {
  AF_INET: 2,
  AF_INET6: 10,
  SOCK_DGRAM: 2,
  SOCK_NONBLOCK: 0o4000,
  SOCK_CLOEXEC: 0o2000000,
  SOL_SOCKET: 1,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  SO_SNDBUFFORCE: 32,
  SO_RCVBUFFORCE: 33,
  MSG_DONTWAIT: 0x40,
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

class LinuxOffload implements Offload {
  readonly #koffi: Koffi
  readonly #socket: (domain: number, type: number, protocol: number) => number
  readonly #bind: (fd: number, address: Uint8Array, length: number) => number
  readonly #close: (fd: number) => number
  readonly #setsockopt: (fd: number, level: number, name: number, value: Int32Array, length: number) => number
  readonly #recvfrom: (
    fd: number,
    buffer: Uint8Array,
    length: number,
    flags: number,
    from: Uint8Array,
    fromLength: Uint32Array,
  ) => number
  readonly #value = new Int32Array(1)
  readonly #fromLength = new Uint32Array(1)

  constructor(koffi: Koffi) {
    const libc = koffi.load(null)
    this.#koffi = koffi
    this.#socket = libc.func('int socket(int domain, int type, int protocol)')
    this.#bind = libc.func('int bind(int fd, const void *address, uint32_t length)')
    this.#close = libc.func('int close(int fd)')
    this.#setsockopt = libc.func(
      'int setsockopt(int fd, int level, int name, const void *value, uint32_t length)',
    )
    this.#recvfrom = libc.func(
      'intptr_t recvfrom(int fd, void *buffer, size_t length, int flags, void *from, void *fromLength)',
    )
  }

  /** Whether this kernel knows the options (Linux 4.18 and 5.0). */
  works(): boolean {
    const fd = this.#socket(LINUX.AF_INET, LINUX.SOCK_DGRAM | LINUX.SOCK_CLOEXEC, 0)
    if (fd < 0) return false
    const works = this.#enableOffloads(fd)
    this.#close(fd)
    return works
  }

  openSocket(address: string, port: number): number {
    const bytes = addressBytes(address)
    if (bytes === undefined) throw new TypeError(`${address} is no address`)
    const isV6 = bytes.length === 16
    const type = LINUX.SOCK_DGRAM | LINUX.SOCK_NONBLOCK | LINUX.SOCK_CLOEXEC
    const fd = this.#socket(isV6 ? LINUX.AF_INET6 : LINUX.AF_INET, type, 0)
    if (fd < 0) throw this.#error('socket', address, port)
    this.#enableOffloads(fd)
    this.#forbidFragments(fd, isV6)
    this.#enlargeBuffers(fd)
    const socketAddress = isV6
      ? ipv6SocketAddress(bytes, port, scopeIdOf(address))
      : ipv4SocketAddress(bytes, port)
    if (this.#bind(fd, socketAddress, socketAddress.length) === 0) return fd
    const error = this.#error('bind', address, port)
    this.#close(fd)
    throw error
  }

  closeSocket(fd: number): void {
    this.#close(fd)
  }

  setSegmentBytes(fd: number, bytes: number): boolean {
    return this.#set(fd, LINUX.IPPROTO_UDP, LINUX.UDP_SEGMENT, bytes)
  }

  receive(fd: number, buffer: Uint8Array, from: Uint8Array): number {
    this.#fromLength[0] = from.length
    return this.#recvfrom(fd, buffer, buffer.length, LINUX.MSG_DONTWAIT, from, this.#fromLength)
  }

  #enableOffloads(fd: number): boolean {
    return this.setSegmentBytes(fd, 0) && this.#set(fd, LINUX.IPPROTO_UDP, LINUX.UDP_GRO, 1)
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

  #error(syscall: string, address: string, port: number): NodeJS.ErrnoException {
    const errno = this.#koffi.errno()
    const code = getSystemErrorName(-errno)
    return Object.assign(new Error(`${syscall} ${code} ${address}:${port}`), {
      errno: -errno,
      code,
      syscall,
      address,
      port,
    })
  }
}

const IS_LITTLE_ENDIAN = endianness() === 'LE'

/** struct sockaddr_in (ip(7)). */
function ipv4SocketAddress(bytes: Uint8Array, port: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(16))
  view.setUint16(0, LINUX.AF_INET, IS_LITTLE_ENDIAN)
  view.setUint16(2, port)
  const socketAddress = new Uint8Array(view.buffer)
  socketAddress.set(bytes, 4)
  return socketAddress
}

/** struct sockaddr_in6 (ipv6(7)). */
function ipv6SocketAddress(bytes: Uint8Array, port: number, scopeId: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(28))
  view.setUint16(0, LINUX.AF_INET6, IS_LITTLE_ENDIAN)
  view.setUint16(2, port)
  view.setUint32(24, scopeId, IS_LITTLE_ENDIAN)
  const socketAddress = new Uint8Array(view.buffer)
  socketAddress.set(bytes, 8)
  return socketAddress
}

/** The interface's number behind the zone of a link-local address; 0 without a zone. */
function scopeIdOf(address: string): number {
  const zone = address.split('%')[1]
  if (zone === undefined) return 0
  const known = networkInterfaces()[zone]?.find(entry => entry.family === 'IPv6' && entry.scopeid > 0)
  return known?.family === 'IPv6' ? known.scopeid : Number(zone) || 0
}
