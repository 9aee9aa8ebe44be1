/**
 * Every error this package makes, as one table: a stable `code`, the sentence a person reads, and when it is
 * raised. Codes are Node's own where Node has one that fits, so that programs
 * written for `node:net` need no change.
 */

/**
 * Thrown and emitted everywhere. `code` is a key of `errors`; the details are own properties as well. Where Node's error of
 * the same code is a TypeError or a RangeError, this is one too, for programs that ask by `instanceof`.
 */
export class ServalError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C
  readonly #isOurs = true

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && #isOurs in value
  }

  /**
   * `details` fills the `{placeholders}` of the message and stays readable on the error
   * (`error.service`, `error.reason`, `error.syscall` ...); more than the message asks for is welcome. A `message` among
   * them is said instead: Node's own, where it has another for this one case.
   */
  constructor(code: C, details: ErrorDetails<C>, options?: ErrorOptions) {
    const row: ErrorRow = errors[code]
    super(String(details.message ?? format(row.message, details)), options)
    Object.assign(this, details)
    this.code = code
    this.name = row.name ?? 'Error'
    if (row.name) Object.setPrototypeOf(this, builtIn[row.name].prototype)
  }
}

const builtIn = { TypeError, RangeError }

interface ErrorRow {
  /** `{name}` stands for a detail. */
  readonly message: string
  /** When a caller meets it. */
  readonly when: string
  /** The `name` that Node gives to the same code, where it is not plain `Error`. */
  readonly name?: 'TypeError' | 'RangeError'
}

export const errors = {
  ENOSERVICE: {
    message: 'nobody serves {service} (asked {asked})',
    when: 'The service has no instance: the router or host that was asked has no rule for it.',
  },
  ENOROUTER: {
    message:
      'no router or controller could be reached for {service} (tried {tried}); start one with `serval router`, or set SERVAL_ROUTER',
    when: 'A name is not served on this host, and nothing that could know more about it answered.',
  },
  ERAWSOCKET: {
    message: 'raw sockets cannot be opened ({system}): {reason}',
    when: 'The 2014 profile was asked for, and this process may not, or this system cannot, send raw IP.',
  },
  ESERVICENAME: {
    message: '"{value}" is not a service name: {expected}',
    when: 'A name, serviceID or prefix is malformed.',
  },
  EIDENTITY: {
    message: '{service} did not prove its identity: {reason}',
    when: 'The peer could not show that it speaks for the service that was asked for.',
  },
  ECONNREFUSED: {
    message: 'connect ECONNREFUSED {service}: {reason}',
    when: 'An instance answered and does not take the connection: refused, draining or overload.',
  },
  ECONNRESET: {
    message: '{syscall} ECONNRESET',
    when: 'The flow ended without its end of stream: the peer reset it, or its process died.',
  },
  ECONNABORTED: {
    message: '{syscall} ECONNABORTED',
    when: 'The flow was given up on this side before it was established.',
  },
  ETIMEDOUT: {
    message: '{syscall} ETIMEDOUT {service}',
    when: 'Nothing answered within the time allowed, at set-up or on an established flow.',
  },
  EHOSTUNREACH: {
    message: '{syscall} EHOSTUNREACH {service}: {reason}',
    when: 'A rule drops what goes to the service, or there is no path to the host.',
  },
  EALREADY: {
    message: '{syscall} EALREADY {service}',
    when: 'A socket is told to connect that connects already.',
  },
  EISCONN: {
    message: '{syscall} EISCONN {service}',
    when: 'A socket is told to connect that is connected.',
  },
  EADDRINUSE: {
    message: 'listen EADDRINUSE: {service} is already served by {owner}',
    when: 'The service, port or socket is in use.',
  },
  EADDRNOTAVAIL: {
    message: '{syscall} EADDRNOTAVAIL {address}',
    when: 'The address is not one of this host.',
  },
  EMSGSIZE: {
    message: '{syscall} EMSGSIZE {service}: {bytes} bytes, and a datagram on this path takes {limit} at most',
    when: 'A datagram is larger than the packets that the path takes; it is not cut into several.',
  },
  EPIPE: {
    message: 'write EPIPE',
    when: 'A write after the flow was closed for writing.',
  },
  ERR_INVALID_ARG_TYPE: {
    message: 'The "{argument}" argument must be {expected}. Received {received}',
    when: 'An argument or option has the wrong type.',
    name: 'TypeError',
  },
  ERR_INVALID_ARG_VALUE: {
    message: 'The argument "{argument}" must be {expected}. Received {received}',
    when: 'An argument, option or configuration value is outside of what is accepted.',
    name: 'TypeError',
  },
  ERR_OUT_OF_RANGE: {
    message: 'The value of "{argument}" is out of range. It must be {expected}. Received {received}',
    when: 'A number is outside of its range.',
    name: 'RangeError',
  },
  ERR_BUFFER_OUT_OF_BOUNDS: {
    message: '"{argument}" is outside of buffer bounds',
    when: 'A part of a buffer is to be sent that the buffer does not have.',
    name: 'RangeError',
  },
  ERR_MISSING_ARGS: {
    message: 'The {arguments} argument must be specified',
    when: 'A call without an argument that it needs.',
    name: 'TypeError',
  },
  ERR_SOCKET_BAD_PORT: {
    message: '{argument} should be >= 0 and < 65536. Received {received}.',
    when: 'A port is not a number of a port.',
    name: 'RangeError',
  },
  ERR_SERVAL_RULE: {
    message: 'rule "{rule}": "{value}" is not accepted: {expected}',
    when: 'A rule of the service table is malformed, or says what no entry can hold.',
  },
  ERR_SERVER_ALREADY_LISTEN: {
    message: 'Listen method has been called more than once without closing.',
    when: 'listen() on a server that listens.',
  },
  ERR_SERVER_NOT_RUNNING: {
    message: 'Server is not running.',
    when: 'close() on a server that does not listen.',
  },
  ERR_SOCKET_ALREADY_BOUND: {
    message: 'Socket is already bound',
    when: 'bind() on a datagram socket that is bound, or about to be.',
  },
  ERR_SOCKET_BAD_BUFFER_SIZE: {
    message: 'Buffer size must be a positive integer',
    when: 'A datagram socket is told to keep a number of bytes that is none.',
    name: 'TypeError',
  },
  ERR_SOCKET_BAD_TYPE: {
    message: 'Bad socket type specified. Valid types are: udp4, udp6',
    when: 'A datagram socket is made with a type that is none.',
    name: 'TypeError',
  },
  ERR_SOCKET_DGRAM_IS_CONNECTED: {
    message: 'Already connected',
    when: 'A datagram socket that is connected is told where to send, or to connect again.',
  },
  ERR_SOCKET_DGRAM_NOT_CONNECTED: {
    message: 'Not connected',
    when: 'disconnect() or remoteAddress() on a datagram socket that is not connected.',
  },
  ERR_SOCKET_DGRAM_NOT_RUNNING: {
    message: 'Not running',
    when: 'A call on a datagram socket that was closed.',
  },
  ERR_INVALID_IP_ADDRESS: {
    message: 'Invalid IP address: {address}',
    when: 'A local address, or what the program itself has found for a host, is no address.',
    name: 'TypeError',
  },
  ERR_INVALID_ADDRESS_FAMILY: {
    message: 'Invalid address family: {addressType} {host}:{port}',
    when: 'What the program itself has found for a host is of neither family.',
    name: 'RangeError',
  },
  ENOTFOUND: {
    message: 'getaddrinfo ENOTFOUND {hostname}',
    when: 'A port is asked for of a host whose name can be none.',
  },
  EINVAL: {
    message: '{syscall} EINVAL',
    when: 'A descriptor of the system is to be listened on; a setting has a value that means nothing.',
  },
  EBADF: {
    message: '{syscall} EBADF',
    when: 'The address of a datagram socket is asked for that is not bound yet.',
  },
  ERR_SOCKET_CLOSED_BEFORE_CONNECTION: {
    message: 'Socket closed before the connection was established',
    when: 'A write to a socket that was destroyed before it was connected.',
  },
  ERR_SOCKET_CLOSED: {
    message: 'Socket is closed',
    when: 'An operation on a socket that was closed.',
  },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof errors

/** The placeholders of a code's message are required; anything else may be added. */
export type ErrorDetails<C extends ErrorCode> = Record<Placeholder<(typeof errors)[C]['message']>, unknown> &
  Record<string, unknown>

type Placeholder<Message extends string> = Message extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholder<Rest>
  : never

function format(message: string, details: Record<string, unknown>): string {
  return message.replace(/\{(\w+)\}/g, (_, name: string) => text(details[name]))
}

function text(value: unknown): string {
  return Array.isArray(value) ? value.join(', ') : String(value)
}
