/**
 * What programs pass to a datagram socket, read as `node:dgram` reads it (same forms, same errors at the same time), with
 * service names, and what came with a message, where Node takes ports.
 */
import { ServalError } from '../errors.ts'
import type { Stack } from '../net/stack.ts'
import {
  checkDestinationPort,
  checkFunction,
  checkNumber,
  checkSignal,
  checkString,
  isServiceName,
  refuseDescriptor,
  wrongType,
} from './arguments.ts'
import type { SocketAddressInfo } from './socket-address.ts'
import { connectTarget, listenTarget, portTarget, type Target } from './target.ts'

export type SocketType = 'udp4' | 'udp6'

export interface SocketOptions {
  /** Of the addresses that Node's are bound to; a service has neither, and `address()` shows the family. Default: udp4. */
  type?: SocketType | undefined
  /** Bytes that may wait to be read; default 1 MiB. */
  recvBufferSize?: number | undefined
  /** Checked; what is sent hardly ever waits. */
  sendBufferSize?: number | undefined
  /** Aborting it closes the socket. */
  signal?: AbortSignal | undefined
  /** Default: the process's own. */
  stack?: Stack | undefined
}

/** What concerns the kernel's sockets is Node's: `exclusive` is ignored, `fd` refused. */
export interface BindOptions {
  /** A service name, `news.example`, or a raw serviceID. It goes before `port`. */
  service?: string | undefined
  /** The service `<port>.<address>.inet`; 0 or nothing: any free one. */
  port?: number | undefined
  address?: string | undefined
  /** Share of the messages that this instance gets, >= 0; default 1. */
  weight?: number | undefined
  /** Only the living instances of the highest priority get any; default 1. */
  priority?: number | undefined
}

/** Whom a message is from. It may be given to `send`, to answer it. */
export interface RemoteInfo extends SocketAddressInfo {
  readonly size: number
  /** The sender's service: its name where that is known, else its serviceID (`x-...`); '' where it did not say. */
  readonly service: string
}

export type MessageData = string | NodeJS.ArrayBufferView | readonly (string | NodeJS.ArrayBufferView)[]
export type MessageListener = (message: Buffer, info: RemoteInfo) => void
export type SendCallback = (error: Error | null, bytes: number) => void

export interface Sending {
  readonly payload: Uint8Array
  /** Undefined: to whom the socket is connected. */
  readonly to: Target | RemoteInfo | undefined
  readonly callback: SendCallback | undefined
}

/** Throws ERR_SOCKET_BAD_TYPE, ERR_INVALID_ARG_TYPE. */
export function socketOptions(
  given: SocketType | SocketOptions | undefined,
): SocketOptions & { type: SocketType } {
  const options: SocketOptions = typeof given === 'object' && given !== null ? given : { type: given }
  const { type = 'udp4' } = options
  if (type !== 'udp4' && type !== 'udp6') throw new ServalError('ERR_SOCKET_BAD_TYPE', {})
  for (const name of ['recvBufferSize', 'sendBufferSize'] as const) {
    if (options[name]) checkNumber(options[name], `options.${name}`)
  }
  if ('lookup' in options && options.lookup) checkFunction(options.lookup, 'lookup')
  if (options.signal !== undefined) checkSignal(options.signal, 'options.signal')
  return { ...options, type }
}

/** `(service | port, address?, callback?)`, `(options, callback?)`, `(callback?)`. */
export function bindArguments(args: readonly unknown[]) {
  const last = args.at(-1)
  const callback = typeof last === 'function' ? (last as () => void) : undefined
  const [first, second] = args
  const isOptions = typeof first === 'object' && first !== null
  const options: BindOptions & { fd?: unknown } = isOptions ? first : {}
  if (isServiceName(first)) return { target: listenTarget({ service: first }), options, callback }
  const port = isOptions ? options.port : typeof first === 'function' ? undefined : first
  const address = isOptions ? options.address : typeof second === 'function' ? undefined : second
  const { service, fd } = options
  if (Number.isInteger(fd) && Number(fd) > 0) refuseDescriptor(fd)
  const target = listenTarget(
    service === undefined
      ? { port: (port ?? 0) as number, host: address ? checkString(address, 'address') : undefined }
      : { service },
  )
  return { target, options, callback }
}

/** `(service | port, address?, callback?)`. */
export function connectArguments(args: readonly unknown[]) {
  const [first, second] = args
  const last = args.at(-1)
  const callback = typeof last === 'function' ? (last as () => void) : undefined
  return { target: destination(first, typeof second === 'function' ? undefined : second), callback }
}

/**
 * `(message, offset, length, ...to, callback?)` or `(message, ...to, callback?)`; `to` is a service, a port with or without
 * address, or what came with a message; nothing on a connected socket.
 */
export function sendArguments(args: readonly unknown[], isConnected: boolean): Sending {
  const rest = args.slice(1)
  const last = rest.findIndex(arg => typeof arg === 'function')
  const callback = last < 0 ? undefined : (rest[last] as SendCallback)
  const plain = (last < 0 ? rest : rest.slice(0, last)).filter(
    (arg, i, all) => i < all.length || arg !== undefined,
  )
  // Two numbers in front are a range, unless the second is where an address may stand.
  const isRange =
    typeof plain[0] === 'number' && typeof plain[1] === 'number' && (isConnected || plain.length > 2)
  const payload = isRange ? rangeOf(args[0], plain[0] as number, plain[1] as number) : bytesOf(args[0])
  const [to, address] = isRange ? plain.slice(2) : plain
  if (isConnected) {
    if (to !== undefined && to !== null) throw new ServalError('ERR_SOCKET_DGRAM_IS_CONNECTED', {})
    return { payload, to: undefined, callback }
  }
  return { payload, to: isRemoteInfo(to) ? to : destination(to, address), callback }
}

export function isRemoteInfo(value: unknown): value is RemoteInfo {
  return (
    typeof value === 'object' && value !== null && 'address' in value && 'port' in value && 'service' in value
  )
}

function destination(to: unknown, address: unknown): Target {
  if (isServiceName(to)) return connectTarget({ service: to })
  if (typeof to === 'object' && to !== null) return connectTarget(to)
  const port = checkDestinationPort(to)
  if (address === undefined || address === null) return portTarget(port, undefined)
  return portTarget(port, checkString(address, 'address') || undefined)
}

function bytesOf(message: unknown): Uint8Array {
  if (!Array.isArray(message)) return oneOf(message)
  const wrong = message.some(part => typeof part !== 'string' && !ArrayBuffer.isView(part))
  if (wrong) throw wrongType('buffer list arguments', BYTES, message)
  return Buffer.concat(message.map(oneOf))
}

/** A copy: the program may use its memory again. */
function oneOf(part: unknown): Uint8Array {
  if (typeof part === 'string') return Buffer.from(part)
  if (!ArrayBuffer.isView(part)) throw wrongType('buffer', BYTES, part)
  return new Uint8Array(new Uint8Array(part.buffer, part.byteOffset, part.byteLength))
}

function rangeOf(message: unknown, offset: number, length: number): Uint8Array {
  const bytes = oneOf(message)
  if (!(offset >= 0 && offset <= bytes.length)) throw outOfBounds('offset')
  if (!(length >= 0 && offset + length <= bytes.length)) throw outOfBounds('length')
  return bytes.subarray(offset, offset + length)
}

function outOfBounds(argument: string): ServalError {
  return new ServalError('ERR_BUFFER_OUT_OF_BOUNDS', { argument })
}

const BYTES = 'of type string or an instance of Buffer, TypedArray, or DataView'
