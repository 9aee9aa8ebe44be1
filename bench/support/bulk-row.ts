/** A row that sends as much as it can, one way, to a receiver that compares it. */
import { asking, figuresOf } from './ask.ts'
import type { Row } from './benchmark.ts'
import type { Impairment } from './delay-line.ts'

export interface BulkRowOptions {
  readonly transport: 'serval' | 'net' | 'tls' | 'udx' | 'udp'
  readonly isPeer?: boolean
  readonly env?: Readonly<Record<string, string>>
  /** Default: the cable of the standard place. */
  readonly impairment?: Impairment
  /** Congestion control of the kernel's TCP. Default: the machine's. */
  readonly tcp?: string
  /** Of the time, the share in which bytes are compared; 1: always, and there is no figure `unverified`. */
  readonly verifiedShare?: number
}

export function bulkRow(
  name: string,
  { transport, isPeer = false, env, impairment, tcp, verifiedShare = 0.5 }: BulkRowOptions,
): Row {
  const program = transport === 'udp' ? 'bulk-udp' : 'bulk-stream'
  const prefix = transport === 'udp' ? [] : [transport]
  return {
    name,
    isPeer,
    needsNamespaces: impairment !== undefined,
    open: async standard => {
      const place = impairment === undefined ? standard : await standard.impaired(impairment)
      if (tcp !== undefined) place.setTcpAlgorithm(tcp)
      const { left, right } = place.addresses
      const sink = place.start('right', program, [...prefix, 'sink', right, `${verifiedShare}`], env)
      const { port } = await sink.event('ready')
      const sourceArgs = [...prefix, 'source', right, `${port}`, left[0]]
      const source = place.start('left', program, sourceArgs, { ...env, SERVAL_ROUTER: `${right}:${port}` })
      const [askSink, askSource] = [asking(sink), asking(source)]
      let sentBytes = 0
      return {
        measure: async seconds => {
          const ends = [askSink('measure', seconds), askSource('send', seconds)] as const
          const [taken, sent] = await Promise.all(ends)
          sentBytes = sent.bytes
          const figures = figuresOf(taken)
          if (transport === 'udp') return figures
          return { ...figures, turnms: Math.max(figures.turnms!, sent.turnms) }
        },
        // Of raw datagrams nobody knows which are still to come.
        settle: async () => {
          if (transport !== 'udp') await askSink('receive', sentBytes)
        },
        close: async () => {
          await Promise.all([source.stop('SIGKILL'), sink.stop('SIGKILL')])
        },
      }
    },
  }
}
