/**
 * The system calls of a router's worker, through koffi: many datagrams with one of them, recvmmsg(2) and sendmmsg(2), and
 * a wait for several sockets at once, poll(2). Structures are passed by where they lie (message-slab.ts).
 */
import type { Endpoint } from '../../wire/endpoint.ts'
import { type Koffi, loadKoffi, type Offload, systemOffload } from '../links/offload.ts'
import { socketAddressOf } from '../links/socket-address.ts'

const EFD_CLOEXEC = 0o2000000
const EFD_NONBLOCK = 0o4000
/** Its number (generic, or of x86), and what it is told: struct sched_attr, as of Linux 3.14. */
const SCHED_SETATTR: Partial<Record<NodeJS.Architecture, number>> = {
  x64: 314,
  arm64: 274,
  riscv64: 274,
  loong64: 274,
}
const SCHED_ATTR_BYTES = 48
/** The shortest that the kernel grants, and time for a batch of packets. */
const SLICE_NS = 100_000
/** The discard service (RFC 863): any port will do from which nothing comes. */
const NOBODYS_PORT = 9

type Call = (...args: (number | Uint8Array | Uint32Array)[]) => number

export class MessageCalls {
  readonly #offload: Offload
  readonly #poll: Call
  readonly #connect: Call
  readonly #eventfd: Call
  readonly #read: Call
  readonly #write: Call
  readonly #close: Call
  readonly #syscall: Call
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
    this.#eventfd = libc.func('int eventfd(uint initial, int flags)')
    this.#read = libc.func('intptr_t read(int fd, void *buffer, size_t length)')
    this.#write = libc.func('intptr_t write(int fd, const void *buffer, size_t length)')
    this.#close = libc.func('int close(int fd)')
    this.#syscall = libc.func('long syscall(long number, int thread, const void *attributes, uint flags)')
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
    return this.#offload.portOf(fd)
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

  /**
   * This thread would rather run often than long (EEVDF, Linux 6.12): once a packet has come for it, it need not wait until
   * another thread has used up a slice of milliseconds. Kernels that know no such wish ignore it. Where it may not be as
   * `nice` as this nothing changes.
   */
  takeShortSlices(nice: number): void {
    const number = SCHED_SETATTR[process.arch]
    if (number === undefined) return
    const attributes = new DataView(new ArrayBuffer(SCHED_ATTR_BYTES))
    attributes.setUint32(0, SCHED_ATTR_BYTES, true)
    attributes.setInt32(16, nice, true)
    attributes.setBigUint64(24, BigInt(SLICE_NS), true)
    this.#syscall(number, 0, new Uint8Array(attributes.buffer), 0)
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
