/** `serval controller`: runs the controller. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { ListenAddress } from '../../../controller/index.ts'
import { isLoopback } from '../../id/address.ts'
import { DEFAULT_API, DEFAULT_CONTROLLER_PORT, loadConfig } from '../../net/config.ts'
import { formatEndpoint, parseEndpoint } from '../../wire/endpoint.ts'
import { secondsWithin } from '../arguments.ts'
import { Failure, UsageError } from '../failure.ts'
import { toldToStop } from '../lifetime.ts'
import { createLogger } from '../logger.ts'
import { printReady } from '../output.ts'

interface ControllerOptions {
  readonly bind: ListenAddress
  readonly api: ListenAddress
  readonly lease: number
  readonly grace: number
  readonly json?: boolean
}

export function addController(program: Command): void {
  program
    .command('controller')
    .summary('run the controller')
    .description(
      'Runs the controller: programs register with it what they serve, it tells routers and hosts, and shows it as ' +
        'REST. Programs of this user on this host find it by the runtime directory; others by SERVAL_CONTROLLER.',
    )
    .addOption(addressOption('--bind', 'control protocol, TCP', CONTROL))
    .addOption(addressOption('--api', 'REST, HTTP', API))
    .option(
      '--lease <s>',
      'silence after which a program is withdrawn',
      secondsWithin({ min: 0.1, max: 3600 }),
      10,
    )
    .option('--grace <s>', 'time for what is under way at the end', secondsWithin({ min: 0, max: 600 }), 1)
    .option('--json', 'print the ready line as JSON (ready.schema.json)')
    .addHelpText('after', EXAMPLES)
    .action(controller)
}

const EXAMPLES = `
Port 0 picks a free one; the line "ready ..." tells which. A REST that is not on
loopback needs SERVAL_API_TOKEN, which its readers send as a bearer token.

Examples:
  $ serval controller
  $ serval controller --bind 10.0.0.1:54326 --lease 5
  $ curl http://127.0.0.1:54327/v1/services`

const CONTROL: ListenAddress = { address: '127.0.0.1', port: DEFAULT_CONTROLLER_PORT }
const API: ListenAddress = parseEndpoint(new URL(DEFAULT_API).host)!

const MEND = 'stop that one, or choose another place with --bind, --api or SERVAL_RUNTIME_DIR'

async function controller({ bind, api, lease, grace, json = false }: ControllerOptions): Promise<void> {
  const { log, runtimeDir } = loadConfig()
  const stopped = toldToStop()
  const { SERVAL_API_TOKEN, SERVAL_RUNTIME_DIR } = process.env
  if (!SERVAL_API_TOKEN && !(isLoopback(api.address) || api.address === 'localhost')) {
    const place = `${formatEndpoint(api)} can be reached from other hosts`
    throw new UsageError(
      `--api ${place}: set SERVAL_API_TOKEN, which readers must send, or give a loopback address`,
    )
  }
  // Only here, so that no other command waits for an HTTP server to load.
  const { startController } = await import('../../../controller/index.ts')
  const running = await startController({
    control: bind,
    api,
    ...(SERVAL_API_TOKEN && { apiToken: SERVAL_API_TOKEN }),
    runtimeDir: {
      path: runtimeDir,
      askedBy: SERVAL_RUNTIME_DIR ? 'SERVAL_RUNTIME_DIR' : 'the runtime directory',
    },
    leaseMs: 1000 * lease,
    logger: createLogger(log),
  }).catch(error => {
    if (error.code !== 'EADDRINUSE') throw error
    throw new Failure(`${error.message}; ${MEND}`, { cause: error })
  })
  const { control, api: rest, unix } = running.addresses
  printReady(json, {
    command: 'controller',
    ...(control && { control: formatEndpoint(control) }),
    ...(rest && { api: rest.url }),
    ...(unix && { unix }),
  })
  await stopped
  await running.close(1000 * grace)
}

/** `address:port` or `address`; the value knows who asked for it. */
function addressOption(flag: string, description: string, initial: ListenAddress): Option {
  return new Option(`${flag} <host:port>`, description)
    .default({ ...initial, askedBy: `the default of ${flag}` }, formatEndpoint(initial))
    .argParser((text): ListenAddress => {
      const endpoint = parseEndpoint(text, initial.port)
      if (endpoint !== undefined) return { ...endpoint, askedBy: flag }
      throw new InvalidArgumentError(
        'host:port is accepted, IPv6 in brackets, as in 127.0.0.1:54326 or [::1]:0.',
      )
    })
}
