/** `serval router`: runs a service router. */
import { availableParallelism } from 'node:os'
import { type Command, Option } from 'commander'
import { loadConfig } from '../../net/config.ts'
import { portOfRules, RouterShell, type RouterShellOptions } from '../../net/router-shell.ts'
import { parseRule } from '../../service/rule-text.ts'
import { SaidTargets } from '../../service/said-targets.ts'
import { formatEndpoint } from '../../wire/endpoint.ts'
import type { ProfileName } from '../../wire/profile.ts'
import { integerWithin, secondsWithin } from '../arguments.ts'
import { captureOption } from '../capture-option.ts'
import { Failure, UsageError } from '../failure.ts'
import { toldToStop } from '../lifetime.ts'
import { createLogger } from '../logger.ts'
import { printReady } from '../output.ts'
import { nameOfFile, readRuleFile } from '../rule-file.ts'

interface RouterOptions {
  readonly bind?: string
  readonly controller?: string
  readonly profile?: ProfileName
  readonly rule: readonly string[]
  readonly rules?: string
  readonly workers: number
  readonly allow: readonly string[]
  readonly takeOver?: boolean
  readonly grace: number
  readonly json?: boolean
}

export function addRouter(program: Command): void {
  program
    .command('router')
    .summary('run a service router')
    .description(
      'Runs a service router: hosts send it the first packet of a connection, and it sends that on to an instance of ' +
        'the service. Its rules come from the command line and from a controller: that of this host, or SERVAL_CONTROLLER.',
    )
    .option('--bind <addresses>', 'where it answers, ADDRESS[:PORT],... (default: all addresses, port 54325)')
    .option('--controller <place>', 'HOST:PORT or unix:PATH')
    .addOption(
      new Option(
        '--profile <profile>',
        'native over UDP, or 2014 over raw IP, protocol 144 (needs CAP_NET_RAW)',
      ).choices(['native', '2014']),
    )
    .addOption(
      new Option('--rule <rule>', 'a rule of its own; may be given again')
        .argParser((rule, others: string[]) => [...others, rule])
        .default([], 'none'),
    )
    .option('--rules <file>', 'a file of rules, one a line; # starts a comment')
    .addOption(
      new Option(
        '--workers <n>',
        'threads that forward; 0: one thread for all, without the accelerations of Linux',
      )
        .argParser(integerWithin({ min: 0, max: 256 }))
        .default(availableParallelism(), 'one a core'),
    )
    .addOption(
      new Option('--allow <subnets>', 'who may send through it, ADDRESS[/BITS],...')
        .argParser(listOf)
        .default([], 'everybody'),
    )
    .option(
      '--take-over',
      'share the addresses of a router that runs, until that one is stopped; needs workers',
    )
    .option(
      '--grace <s>',
      'how long late askers are answered at the end; it ends as soon as there are none',
      secondsWithin({ min: 0, max: 600 }),
      1,
    )
    .addOption(captureOption())
    .option('--json', 'print the ready line as JSON (ready.schema.json)')
    .addHelpText('after', EXAMPLES)
    .action(router)
}

const EXAMPLES = `
A rule is one of
  PATTERN FORWARD [OPTION ...] TARGET, ...
  PATTERN DELAY
  PATTERN DROP [why]
and a PATTERN is a name, *.name, a raw ID with an optional /bits, or default,
a TARGET ADDRESS:PORT [stream|datagram] [weight N] [priority N]; OPTIONs say how
targets share (serval rules --help).
With --profile 2014 there are no ports, and :PORT is left out. DELAY holds a
packet while the controller is asked who serves the name, for 5 s at most; of
more than 1,024 (or 1 MiB) in one worker the oldest is refused. Where there is
no controller it refuses at once.

Examples:
  $ serval router
  $ serval router --bind 10.0.0.1 --controller 10.0.0.2:54326
  $ serval router --rule 'web.example FORWARD 10.0.0.7:7000'
  $ serval router --allow 10.0.0.0/8,fd00::/8
  $ serval router --profile 2014 --rule 'web.example FORWARD 10.0.0.7'

To replace a router that runs without losing a packet, start the new one with
--take-over, as the same user with the same SERVAL_RUNTIME_DIR, wait for its
ready line, and stop the old one with SIGTERM.`

async function router(options: RouterOptions): Promise<void> {
  const {
    bind,
    controller,
    profile,
    rule,
    rules,
    workers,
    allow: allowed,
    takeOver = false,
    grace,
    json = false,
  } = options
  if (takeOver && (workers === 0 || (profile ?? loadConfig().profile) === '2014')) {
    throw new UsageError('--take-over is for workers: not with --workers 0, nor with the 2014 profile')
  }
  const stopped = toldToStop()
  const shell = openShell({
    bind,
    controller,
    profile,
    workers,
    allowed,
    takeOver,
    rules: [...rule, ...(rules === undefined ? [] : readRules(rules, profile ?? loadConfig().profile))],
  })
  const logger = createLogger(shell.config.log)
  await shell.ready
  printReady(json, { command: 'router', ...whereIs(shell) })
  const reason = await stopped
  logger.info({ reason }, 'router is being stopped')
  await shell.close({ graceMs: 1000 * grace })
  logger.info({ counters: shell.counters }, 'router has stopped')
}

/** Raw IP has no ports. */
function whereIs({ config, endpoints }: RouterShell): { udp: string[] } | { ip: string[] } {
  return config.profile === '2014'
    ? { ip: endpoints.map(({ address }) => address) }
    : { udp: endpoints.map(formatEndpoint) }
}

function openShell(options: RouterShellOptions): RouterShell {
  try {
    return new RouterShell(options)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const mend =
      code === 'EADDRINUSE' || code === 'EADDRNOTAVAIL' || code === 'EACCES' ? MEND[code] : undefined
    if (mend === undefined) throw error
    throw new Failure(`${message} (asked for by ${askedBy(options)}); ${mend}`, { cause: error })
  }
}

const MEND = {
  EADDRINUSE:
    'another router may be running there: stop it, replace it with --take-over, or choose another port with --bind ADDRESS:PORT',
  EADDRNOTAVAIL: 'choose an address of this host with --bind ADDRESS',
  EACCES: 'choose a port from 1024 on with --bind ADDRESS:PORT',
} as const

function askedBy({ bind }: RouterShellOptions): string {
  if (bind !== undefined) return '--bind'
  if (process.env.SERVAL_BIND) return 'SERVAL_BIND'
  return loadConfig().bind.length > 0 ? 'serval.json' : 'the default of --bind'
}

function listOf(text: string, others: readonly string[]): readonly string[] {
  return [...others, ...text.split(',').map(part => part.trim())]
}

/** Rules of a file as they stand there. What is malformed is named with its line. */
function readRules(path: string, profile: ProfileName): string[] {
  const said = new SaidTargets<number>()
  return readRuleFile(path, '--rules').map(([line, rule]) => {
    const refuse = (why: string) => new UsageError(`${nameOfFile(path)}:${line}: ${why}`)
    let earlier: number | undefined
    try {
      earlier = said.add(parseRule(rule, portOfRules(profile)), line)
    } catch (error) {
      throw refuse((error as Error).message)
    }
    if (earlier === undefined) return rule
    throw refuse(`rule "${rule}" repeats a target of line ${earlier}; say it in one rule`)
  })
}
