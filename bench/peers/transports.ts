/**
 * The same program over several transports: servers and connections by name. Each loads only what is its own: what the
 * others bring along would be in the memory that is measured, and in the collector's way.
 */
import net, { type Socket } from 'node:net'

/** What all of them have in common. */
export interface Transport {
  /** Resolves to the port by which `connect` finds it. */
  listen(address: string, onConnection: (socket: Socket) => void): Promise<number>
  connect(address: string, port: number): Socket
}

/** A shared secret saves certificates; records are sealed as with them (RFC 4279, RFC 5487). */
const secret = { ciphers: 'PSK-AES128-GCM-SHA256', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const
const psk = Buffer.alloc(16, 7)
const SERVICE = 'bench.example'

const transports = {
  net: async () => ({
    listen: (address, onConnection) => listening(net.createServer(onConnection), { host: address, port: 0 }),
    connect: (address, port) => net.connect({ host: address, port, noDelay: true }),
  }),
  tls: async () => {
    const { default: tls } = await import('node:tls')
    return {
      listen: (address, onConnection) =>
        listening(tls.createServer({ ...secret, pskCallback: () => psk }, onConnection), {
          host: address,
          port: 0,
        }),
      connect: (address, port) =>
        tls.connect({
          ...secret,
          host: address,
          port,
          pskCallback: () => ({ psk, identity: 'bench' }),
          checkServerIdentity: () => undefined,
        }),
    }
  },
  udx: async () => {
    const { listenUdx, connectUdx } = await import('./udx.ts')
    return { listen: listenUdx, connect: connectUdx }
  },
  serval: async () => {
    const { default: serval } = await import('serval/net')
    return {
      listen: (_address, onConnection) =>
        listening(serval.createServer(onConnection as never) as never, { service: SERVICE }),
      // SYNs go to the server's own UDP port, so that no router is in the path: SERVAL_ROUTER says where.
      connect: () => serval.connect(SERVICE) as unknown as Socket,
    }
  },
} satisfies Record<string, () => Promise<Transport>>

/** `name` is one of net, tls, udx, serval. */
export function loadTransport(name: string | undefined): Promise<Transport> {
  return transports[name as keyof typeof transports]()
}

function listening(server: net.Server, options: object): Promise<number> {
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(options, () => resolve((server.address() as net.AddressInfo).port))
  })
}
