/**
 * How a link hears that its descriptor has something to receive, or room again. libuv says so (uv_poll_t), through koffi:
 * dgram would tell by receiving, which takes it 7 us a datagram. But koffi's call into a thread whose end has come is fatal to
 * the whole process, and what ends a worker thread asks nobody; so there it is dgram that tells.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { isMainThread } from 'node:worker_threads'
import { type Endpoint, endpointFamily } from '../../wire/endpoint.ts'
import { atExit } from '../at-exit.ts'

export interface Watch {
  /** Whether room to send is worth a word as well. */
  awaitRoom(isAwaited: boolean): void
  /** Whether the process stays alive for it. */
  hold(isRef: boolean): void
  /** Closes the descriptor as well. */
  close(): void
}

export interface WatchEvents {
  /**
   * There is something to receive, or room that is awaited, in this poll phase of the event loop. It may be told from outside of
   * Node's callbacks: no error may come out of it, and what it asks for comes to its turn with the next callback of Node's.
   */
  onReady(): void
  /** This has been received already. The buffer is the link's from now on. */
  onReceived(bytes: Uint8Array, from: RemoteInfo): void
}

/** A descriptor that is bound to `local`, and what closes it. */
export interface Descriptor {
  readonly fd: number
  readonly local: Endpoint
  close(): void
}

export interface PollEvents {
  readonly readable: true
  readonly writable?: boolean
}

/** Of koffi. Who holds none does not hear of anything any more. */
export interface PollHandle {
  start(events: PollEvents, callback: (status: number) => void): void
  ref(): void
  unref(): void
  close(): void
}

export type Poll = (fd: number, events: PollEvents, callback: (status: number) => void) => PollHandle

/** Throws the system's error, and then the descriptor is closed. `mayPoll`: unless this thread may end unasked. */
export function watch(
  poll: Poll,
  descriptor: Descriptor,
  events: WatchEvents,
  mayPoll: boolean = isMainThread,
): Watch {
  try {
    return mayPoll ? new PollWatch(poll, descriptor, events) : new DgramWatch(descriptor, events)
  } catch (error) {
    descriptor.close()
    throw error
  }
}

class PollWatch implements Watch {
  readonly #descriptor: Descriptor
  readonly #events: WatchEvents
  /** Koffi's takes no call any more once it is closed: not even to say so. */
  #handle: PollHandle | undefined
  readonly #cancelExit: () => void
  #wanted: PollEvents = { readable: true }

  constructor(poll: Poll, descriptor: Descriptor, events: WatchEvents) {
    this.#descriptor = descriptor
    this.#events = events
    this.#handle = poll(descriptor.fd, this.#wanted, this.#tell)
    // Node turns its loop once more when no JavaScript may run any longer; others still send, and let go, as the process ends.
    this.#cancelExit = atExit(() => this.#stop())
  }

  awaitRoom(isAwaited: boolean): void {
    this.#wanted = { readable: true, writable: isAwaited }
    this.#handle?.start(this.#wanted, this.#tell)
  }

  hold(isRef: boolean): void {
    if (isRef) this.#handle?.ref()
    else this.#handle?.unref()
  }

  close(): void {
    this.#cancelExit()
    this.#stop()
    this.#descriptor.close()
  }

  #stop(): void {
    this.#handle?.close()
    this.#handle = undefined
  }

  /** libuv watches no longer once the socket has an error (uv__poll_io), which the next call on it takes away. */
  readonly #tell = (status: number): void => {
    if (status < 0) this.#handle?.start(this.#wanted, this.#tell)
    this.#events.onReady()
  }
}

/** Room is looked for this often. */
const ROOM_MS = 1

class DgramWatch implements Watch {
  readonly #socket: Socket
  readonly #events: WatchEvents
  #timer: NodeJS.Timeout | undefined

  constructor({ fd, local }: Descriptor, events: WatchEvents) {
    this.#events = events
    this.#socket = createSocket(endpointFamily(local) === 6 ? 'udp6' : 'udp4')
    bindNow(this.#socket, { fd, exclusive: true })
    this.#socket.on('message', (bytes, from) => this.#events.onReceived(bytes, from))
    this.#socket.on('error', () => this.#events.onReady())
  }

  awaitRoom(isAwaited: boolean): void {
    clearInterval(this.#timer)
    this.#timer = isAwaited ? setInterval(() => this.#events.onReady(), ROOM_MS) : undefined
  }

  hold(isRef: boolean): void {
    if (isRef) this.#socket.ref()
    else this.#socket.unref()
  }

  /** The descriptor is the socket's. */
  close(): void {
    clearInterval(this.#timer)
    this.#socket.close()
  }
}

/** dgram's bind with its error thrown: nothing in it waits. */
export function bindNow(
  socket: Socket,
  options: Omit<NonNullable<Exclude<Parameters<Socket['bind']>[0], number>>, 'fd'> & { readonly fd?: number },
): void {
  let failure: Error | undefined
  const onError = (error: Error) => {
    failure = error
  }
  socket.once('error', onError)
  socket.bind(options as never)
  socket.off('error', onError)
  if (failure !== undefined) throw failure
}
