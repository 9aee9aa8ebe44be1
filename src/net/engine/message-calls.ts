/**
 * The system calls of a router's worker, through koffi: many datagrams with one of them, recvmmsg(2) and sendmmsg(2), and
 * a wait for several sockets at once, poll(2). Structures are passed by where they lie (message-slab.ts).
 */
import type { Endpoint } from '../../wire/endpoint.ts'
import { type Koffi, loadKoffi, type Offload, systemOffload } from '../links/offload.ts'
import { SOCKET_ADDRESS_BYTES, socketAddressOf } from '../links/socket-address.ts'

const EFD_CLOEXEC = 0o2000000
const EFD_NONBLOCK = 0o4000
/** The discard service (RFC 863): any port will do from which nothing comes. */
const NOBODYS_PORT = 9

type Call = (...args: (number | Uint8Array | Uint32Array)[]) => number

export class MessageCalls {
  readonly #offload: Offload
  readonly #poll: Call
  readonly #connect: Call
  readonly #getsockname: Call
  readonly #eventfd: Call
  readonly #read: Call
  readonly #write: Call
  readonly #close: Call
  readonly #one = new Uint8Array(new BigUint64Array([1n]).buffer)

  /** Undefined where this system has none of it. */
  static load(): MessageCalls | undefined {
    const koffi = loadKoffi()
    const offload = systemOffload()
    return koffi === undefined || !offload?.cuts ? undefined : new MessageCalls(koffi, offload)
  }

  private constructor(koffi: Koffi, offload: Offload) {
    const libc = koffi.load(null)
    this.#offload = offload
    this.#poll = libc.func('int poll(uintptr_t descriptors, ulong count, int timeout)')
    this.#connect = libc.func('int connect(int fd, const void *address, uint32_t length)')
    this.#getsockname = libc.func('int getsockname(int fd, void *address, void *length)')
    this.#eventfd = libc.func('int eventfd(uint initial, int flags)')
    this.#read = libc.func('intptr_t read(int fd, void *buffer, size_t length)')
    this.#write = libc.func('intptr_t write(int fd, const void *buffer, size_t length)')
    this.#close = libc.func('int close(int fd)')
  }

  /** A socket beside others at the same endpoint. Port 0: any free one. Throws the system's error. */
  open(local: Endpoint): number {
    return this.#offload.openSocket(local, { isShared: true, merges: false })
  }

  /** Throws EADDRINUSE where somebody else has the endpoint, shared or not, and what else keeps it from being bound. */
  probe(local: Endpoint): void {
    this.#close(this.#offload.openSocket(local))
  }

  portOf(fd: number): number {
    const address = new Uint8Array(SOCKET_ADDRESS_BYTES)
    this.#getsockname(fd, address, Uint32Array.of(address.length))
    return (address[2]! << 8) | address[3]!
  }

  /**
   * The sockets that share its endpoint get what comes from now on: a connected socket takes no part (Linux 5.4,
   * reuseport_select_sock). What it has received already stays to be read.
   */
  leaveGroup(fd: number, local: Endpoint): void {
    const nobody = socketAddressOf({ address: local.address, port: NOBODYS_PORT })
    this.#connect(fd, nobody, nobody.length)
  }

  close(fd: number): void {
    this.#close(fd)
  }

  addressOf(bytes: Uint8Array): number {
    return this.#offload.addressOf(bytes)
  }

  /** Fills `count` struct mmsghdr with what is there; returns how many. */
  receive(fd: number, messages: number, count: number): number {
    return this.#offload.receiveMany(fd, messages, count)
  }

  /** Sends `count` struct mmsghdr; returns how many before one failed, or the negative error number if the first did. */
  send(fd: number, messages: number, count: number): number {
    return this.#offload.sendMany(fd, messages, count)
  }

  /** Waits until one of `count` struct pollfd has something, for `timeoutMs` at most. */
  wait(descriptors: number, count: number, timeoutMs: number): void {
    this.#poll(descriptors, count, timeoutMs)
  }

  /** A descriptor by which one thread wakes another. */
  newBell(): number {
    return this.#eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
  }

  ring(bell: number): void {
    this.#write(bell, this.#one, this.#one.length)
  }

  silence(bell: number): void {
    this.#read(bell, new Uint8Array(8), 8)
  }
}
