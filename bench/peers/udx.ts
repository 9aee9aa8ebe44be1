/**
 * A stream of udx-native, a reliable transport over UDP written in C, seen as a socket. UDX has no handshake: both ends
 * know the stream's number, and the server learns where its peer is from the first packet. So a server takes one.
 */
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

const STREAM = 1

export function listenUdx(address: string, onConnection: (socket: Socket) => void): Promise<number> {
  const udx = loadUdx()
  const socket = udx.createSocket()
  socket.bind(0, address)
  const stream = udx.createStream(STREAM, {
    firewall: (from, port, host) => {
      stream.connect(from, STREAM, port, host)
      return false
    },
  })
  onConnection(stream as unknown as Socket)
  return Promise.resolve(socket.address().port)
}

export function connectUdx(address: string, port: number): Socket {
  const udx = loadUdx()
  const socket = udx.createSocket()
  const stream = udx.createStream(STREAM)
  process.nextTick(() => stream.connect(socket, STREAM, port, address))
  return stream as unknown as Socket
}

/** What is used of the package, which has no types of its own. */
interface Udx {
  createSocket(): UdxSocket
  createStream(number: number, options?: UdxStreamOptions): UdxStream
}

interface UdxSocket {
  bind(port: number, address?: string): void
  address(): { readonly port: number }
}

interface UdxStream extends Duplex {
  /** Emits `connect` at once. */
  connect(socket: UdxSocket, remoteNumber: number, port: number, address: string): void
}

interface UdxStreamOptions {
  /** Asked about packets from an address that is not the peer's yet; true keeps them out. */
  readonly firewall?: (socket: UdxSocket, port: number, address: string) => boolean
}

function loadUdx(): Udx {
  const Constructor: new () => Udx = createRequire(import.meta.url)('udx-native')
  return new Constructor()
}
