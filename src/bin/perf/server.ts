/** `serval perf server NAME`: the end that waits. */
import type { Command } from 'commander'
import net, { type Socket } from '../../sockets/net.ts'
import type { CongestionName } from '../../transport/congestion/congestion.ts'
import { congestionOption, parseService, secondsWithin } from '../arguments.ts'
import { captureOption } from '../capture-option.ts'
import { toldToStop } from '../lifetime.ts'
import { printJson, printLine, printNote, printReady } from '../output.ts'
import { describeResult, resultView } from './result.ts'
import { Transfer } from './transfer.ts'

interface ServerOptions {
  readonly grace: number
  readonly congestion?: CongestionName
  readonly json?: boolean
}

export function addPerfServer(perf: Command): void {
  perf
    .command('server')
    .summary('wait for clients')
    .description(
      'Serves NAME for `serval perf client`, any number of them at a time, until it is told to end.',
    )
    .argument('<name>', 'the service', parseService)
    .option('--grace <s>', 'time for what is under way at the end', secondsWithin({ min: 0, max: 600 }), 1)
    .addOption(captureOption())
    .addOption(congestionOption())
    .option('--json', 'one JSON object a line: ready, then each transfer (perf-server.schema.json)')
    .addHelpText('after', EXAMPLES)
    .action(server)
}

const EXAMPLES = `
Examples:
  $ serval perf server speed.example
  $ SERVAL_BIND=10.0.0.1 serval perf server speed.example --json`

async function server(service: string, { grace, congestion, json = false }: ServerOptions): Promise<void> {
  const stopped = toldToStop()
  const open = new Set<Socket>()
  // Half open: the receiver has the last word.
  const server = net.createServer({ allowHalfOpen: true }, socket => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    void serve(socket, json)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ service, congestion }, resolve)
  })
  printReady(json, { command: 'perf server', service })
  await stopped
  const closed = new Promise(resolve => server.close(resolve))
  const expired = setTimeout(() => {
    for (const socket of open) socket.destroy()
  }, 1000 * grace)
  await closed
  clearTimeout(expired)
}

/** Often enough that the client's line of each second is up to date. */
const FIGURES_MS = 200

async function serve(socket: Socket, isJson: boolean): Promise<void> {
  const remote = `${socket.remoteAddress}:${socket.remotePort}`
  const transfer = Transfer.serve(socket)
  const timer = setInterval(() => transfer.tellFigures(), FIGURES_MS)
  try {
    const result = await transfer.done
    const direction = transfer.direction!
    if (isJson) printJson({ event: 'transfer', remote, direction, ...resultView(result) })
    else printLine(`${direction} by ${remote}: ${describeResult(result)}`)
  } catch (error) {
    // A ping, for one: it asked for nothing.
    if (transfer.direction !== undefined)
      printNote(`${transfer.direction} by ${remote}: ${(error as Error).message}`)
    socket.destroy()
  } finally {
    clearInterval(timer)
  }
}
