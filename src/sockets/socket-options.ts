/** What a socket can be told when it is made, or when it connects; what of it is refused, and what its streams get. */
import type * as net from 'node:net'
import type { DuplexOptions } from 'node:stream'
import type { Stack } from '../net/stack.ts'
import type { CongestionName } from '../transport/congestion/congestion.ts'
import { checkNumber, refuseDescriptor, refused, type TargetOptions, wholeSeconds } from './arguments.ts'
import type { OnReadOptions } from './flow-reader.ts'
import type { AddressOptions } from './host-lookup.ts'

export interface SocketOptions {
  /** Whether the socket stays writable after the peer's end; default false. */
  allowHalfOpen?: boolean | undefined
  readable?: boolean | undefined
  writable?: boolean | undefined
  /** Bytes; default Node's. */
  highWaterMark?: number | undefined
  readableHighWaterMark?: number | undefined
  writableHighWaterMark?: number | undefined
  /** Of what is read: strings come in place of buffers. */
  encoding?: BufferEncoding | undefined
  /** Of strings that are written; default utf8. */
  defaultEncoding?: BufferEncoding | undefined
  /** A listener's rejection destroys the socket. */
  captureRejections?: boolean | undefined
  /** Aborting it destroys the socket with an AbortError. */
  signal?: AbortSignal | undefined
  noDelay?: boolean | undefined
  keepAlive?: boolean | undefined
  /** Milliseconds. */
  keepAliveInitialDelay?: number | undefined
  /** Reads into the program's own buffer, without `data` events. */
  onread?: OnReadOptions | undefined
  /** Default: the process's own. */
  stack?: Stack | undefined
}

export interface ConnectOptions extends SocketOptions, TargetOptions, AddressOptions {
  /** As `setTimeout`, milliseconds; read by `net.connect`. */
  timeout?: number | undefined
  /** What sets the window; default: the stack's. */
  congestion?: CongestionName | undefined
}

export interface AcceptOptions extends SocketOptions {
  readonly server: net.Server
  readonly pauseOnConnect?: boolean | undefined
  /** Called once, when the socket is destroyed. */
  readonly onRelease: () => void
}

const DEFAULT_KEEP_ALIVE_MS = 7_200_000

/** Whole seconds, as Node takes them. */
export function keepAliveMs(initialDelayMs: number | undefined): number {
  return wholeSeconds(initialDelayMs) * 1000 || DEFAULT_KEEP_ALIVE_MS
}

/** Throws ERR_INVALID_ARG_*, ERR_OUT_OF_RANGE: sockets carry bytes, and nothing of the system's is below them. */
export function checkOptions(options: SocketOptions & DuplexOptions & Descriptor): void {
  if (typeof options === 'number') refuseDescriptor(options)
  const { fd, handle, objectMode, readableObjectMode, writableObjectMode } = options
  if (handle) throw refused('options.handle', handle, 'is not supported')
  if (fd !== undefined) refuseDescriptor(fd)
  if (objectMode) throw notBytes('objectMode', objectMode)
  if (readableObjectMode) throw notBytes('readableObjectMode', readableObjectMode)
  if (writableObjectMode) throw notBytes('writableObjectMode', writableObjectMode)
  if (options.keepAliveInitialDelay !== undefined) {
    checkNumber(options.keepAliveInitialDelay, 'options.keepAliveInitialDelay')
  }
}

/** What Node's can be made of. */
interface Descriptor {
  readonly fd?: unknown
  readonly handle?: unknown
}

function notBytes(mode: string, value: unknown): Error {
  return refused(`options.${mode}`, value, 'is not supported')
}

/** All of them, there or not: objects of one shape. `close` tells whether there was an error, so it is emitted here. */
export function streamOptions(options: SocketOptions) {
  const { readable, writable, highWaterMark, readableHighWaterMark, writableHighWaterMark } = options
  const { encoding, defaultEncoding, captureRejections } = options
  return {
    readable,
    writable,
    highWaterMark,
    readableHighWaterMark,
    writableHighWaterMark,
    encoding,
    defaultEncoding,
    captureRejections,
    allowHalfOpen: Boolean(options.allowHalfOpen),
    emitClose: false,
    autoDestroy: true,
  }
}
