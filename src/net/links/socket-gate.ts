/**
 * HOT: keeps libuv from reading on. Of a socket that has something it reads up to 32 datagrams in a turn of the event loop,
 * whatever its program thinks of it, and for each large one memory is taken, cleared, copied to and given back. So the
 * socket has a descriptor of our own besides libuv's. When a turn has taken in enough, libuv's stands for a socket on which
 * nothing ever comes, until its poll phase is over:
 *
 *   poll phase   libuv reads a datagram --> its handler takes more by our own descriptor --> enough: shut
 *                libuv reads: nothing there
 *   check phase  open
 *
 * In between, libuv's descriptor must not be sent by: whoever hands it something opens the gate before. What libuv waits for
 * is bound to the socket rather than to the number of its descriptor (epoll(7)), and goes on.
 */
import type { Offload } from './offload.ts'

export class SocketGate {
  /** Of the socket, always. */
  readonly fd: number
  readonly #offload: Offload
  readonly #libuvFd: number
  #immediate: NodeJS.Immediate | undefined

  /** `libuvFd`: of a socket that libuv reads. Throws the system's error. */
  constructor(offload: Offload, libuvFd: number) {
    this.#offload = offload
    this.#libuvFd = libuvFd
    this.fd = offload.duplicate(libuvFd)
  }

  /** For the rest of this poll phase. */
  shut(): void {
    if (this.#immediate !== undefined) return
    this.#offload.silence(this.#libuvFd)
    this.#immediate = setImmediate(this.#open)
  }

  /** Before something is asked of libuv. */
  open(): void {
    if (this.#immediate === undefined) return
    clearImmediate(this.#immediate)
    this.#open()
  }

  /** For good; libuv's descriptor is libuv's. */
  close(): void {
    this.open()
    this.#offload.closeSocket(this.fd)
  }

  readonly #open = (): void => {
    this.#immediate = undefined
    this.#offload.restore(this.#libuvFd, this.fd)
  }
}
