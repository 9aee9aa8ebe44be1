/** `serval controller`: runs the controller. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { ListenAddress, RunningController } from '../../../controller/index.ts'
import { isLoopback } from '../../id/address.ts'
import { DEFAULT_API, DEFAULT_CONTROLLER_PORT, loadConfig } from '../../net/config.ts'
import type { DaemonRegistrar } from '../../net/daemon-registrar.ts'
import { parsePolicy } from '../../service/policy-text.ts'
import { formatEndpoint, parseEndpoint } from '../../wire/endpoint.ts'
import type { ProfileName } from '../../wire/profile.ts'
import { secondsWithin } from '../arguments.ts'
import { captureOption } from '../capture-option.ts'
import { Failure, UsageError } from '../failure.ts'
import { toldToStop } from '../lifetime.ts'
import { createLogger } from '../logger.ts'
import { printReady } from '../output.ts'
import { nameOfFile, readRuleFile } from '../rule-file.ts'

interface ControllerOptions {
  readonly bind: ListenAddress
  readonly api: ListenAddress
  readonly lease: number
  readonly grace: number
  readonly policy: readonly string[]
  readonly policies?: string
  readonly keep?: string
  readonly profile?: ProfileName
  readonly pcap?: string
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
    .addOption(
      new Option(
        '--profile <profile>',
        "2014: hear the registrations of the original's daemons too, on raw IP (needs CAP_NET_RAW)",
      ).choices(['native', '2014']),
    )
    .option('--grace <s>', 'time for what is under way at the end', secondsWithin({ min: 0, max: 600 }), 1)
    .addOption(
      new Option('--policy <line>', 'how services are shared; may be given again')
        .argParser((line, others: string[]) => [...others, line])
        .default([], 'none'),
    )
    .option('--policies <file>', 'a file of such lines; # starts a comment')
    .option(
      '--keep <file>',
      'where policies set by REST are kept (default: controller.policies in the runtime directory)',
    )
    .addOption(captureOption())
    .option('--json', 'print the ready line as JSON (ready.schema.json)')
    .addHelpText('after', EXAMPLES)
    .action(controller)
}

const EXAMPLES = `
Port 0 picks a free one; the line "ready ..." tells which. A REST that is not on
loopback needs SERVAL_API_TOKEN, which its readers send as a bearer token.

Instances register by themselves; how they share what comes for them is
  PATTERN SHARE [OPTION ...]
an OPTION being that of a rule: balance=, to=all, slow-start=, eject=, spill= or
hedge=.
PUT and DELETE /v1/policies/PATTERN change it while the controller runs. What is
set so comes before the command line, also in a controller that starts later.

Examples:
  $ serval controller
  $ serval controller --bind 10.0.0.1:54326 --lease 5
  $ serval controller --policy 'web.example SHARE balance=least-loaded eject=5'
  $ serval controller --profile 2014
  $ curl http://127.0.0.1:54327/v1/services`

const CONTROL: ListenAddress = { address: '127.0.0.1', port: DEFAULT_CONTROLLER_PORT }
const API: ListenAddress = parseEndpoint(new URL(DEFAULT_API).host)!

const MEND = {
  EADDRINUSE: 'stop that one, or choose another place with --bind, --api or SERVAL_RUNTIME_DIR',
  EADDRNOTAVAIL: 'choose an address of this host with --bind or --api',
} as const

async function controller(options: ControllerOptions): Promise<void> {
  const { bind, api, lease, grace, policy, policies, keep, pcap, json = false } = options
  const { log, runtimeDir, profile } = loadConfig({ profile: options.profile })
  if (pcap !== undefined && profile !== '2014') {
    throw new UsageError(
      `--pcap ${pcap}: a controller has packets with --profile 2014 alone; programs talk to it by streams`,
    )
  }
  const lines = [...policy, ...(policies === undefined ? [] : readPolicies(policies))]
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
    policies: lines,
    ...(keep !== undefined && { keptPolicies: keep }),
    leaseMs: 1000 * lease,
    logger: createLogger(log),
  }).catch(error => {
    const mend = MEND[error.code as keyof typeof MEND]
    throw mend === undefined ? error : new Failure(`${error.message}; ${mend}`, { cause: error })
  })
  const { control, api: rest, unix } = running.addresses
  const registrar = profile === '2014' && unix !== undefined ? await openRegistrar(unix, running) : undefined
  printReady(json, {
    command: 'controller',
    ...(control && { control: formatEndpoint(control) }),
    ...(rest && { api: rest.url }),
    ...(unix && { unix }),
  })
  await stopped
  await registrar?.close()
  await running.close(1000 * grace)
}

/** What daemons of 2014 register comes to the controller by its own socket, as from any other program. */
async function openRegistrar(unix: string, running: RunningController): Promise<DaemonRegistrar> {
  const { DaemonRegistrar } = await import('../../net/daemon-registrar.ts')
  return DaemonRegistrar.open({ path: unix }, { controller: `unix:${unix}` }).catch(async error => {
    await running.close(0)
    throw error
  })
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

/** Lines of a file. What is malformed, or said of one pattern twice, is named with its line. */
function readPolicies(path: string): string[] {
  const lines = new Map<string, number>()
  return readRuleFile(path, '--policies').map(([line, text]) => {
    const refuse = (why: string) => new UsageError(`${nameOfFile(path)}:${line}: ${why}`)
    let prefix: string
    try {
      prefix = parsePolicy(text).prefix.toString()
    } catch (error) {
      throw refuse((error as Error).message)
    }
    const earlier = lines.get(prefix)
    if (earlier !== undefined)
      throw refuse(`rule "${text}" says again what line ${earlier} says; keep one of them`)
    lines.set(prefix, line)
    return text
  })
}
