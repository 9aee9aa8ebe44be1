/**
 * The controller: it knows who serves what, as long as they live; tells routers and hosts; answers names; and
 * shows all that over REST. Started by `serval controller`, or in a test or program of one's own.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { type Logger, pino } from 'pino'
import { INSTANCE_BYTES, instanceId } from '../src/control/fields.ts'
import { ServalError } from '../src/errors.ts'
import { isLoopback } from '../src/id/address.ts'
import { parsePolicy } from '../src/service/policy-text.ts'
import { formatEndpoint } from '../src/wire/endpoint.ts'
import { ControlServer } from './control-server.ts'
import { Hub } from './hub.ts'
import { type ListenAddress, listenApi, type RuntimeDir } from './listen.ts'
import { PolicyFile } from './policy-file.ts'
import { createApi } from './routes/api.ts'

export type { ListenAddress, RuntimeDir } from './listen.ts'

export interface ControllerOptions {
  /** The control protocol over TCP. Default 127.0.0.1:54326; false: none. */
  readonly control?: ListenAddress | false
  /** Where controller.sock is made, mode 0600; the directory is made, mode 0700. Default: no unix socket. */
  readonly runtimeDir?: RuntimeDir
  /** The REST. Default 127.0.0.1:54327; false: none. Beyond loopback it needs `apiToken`. */
  readonly api?: ListenAddress | false
  /** Whoever reads the REST must send it as `Authorization: Bearer TOKEN`. */
  readonly apiToken?: string
  /** How services are shared, a line each: `web.example SHARE balance=least-loaded`. */
  readonly policies?: readonly string[]
  /**
   * The file in which policies said by REST are kept: when it starts they come before those of `policies`. Default:
   * controller.policies in `runtimeDir`; without that they end with the process.
   */
  readonly keptPolicies?: string
  /** Silence after which an agent is withdrawn; it is pinged three times as often. Default 10,000. */
  readonly leaseMs?: number
  /** Default: silent. */
  readonly logger?: Logger
}

export interface RunningController {
  readonly addresses: {
    readonly control?: { readonly address: string; readonly port: number }
    /** Path of the unix socket. */
    readonly unix?: string
    readonly api?: { readonly address: string; readonly port: number; readonly url: string }
  }
  /** Random per start, 32 hex digits. */
  readonly controller: string
  /** Says goodbye to agents, waits `graceMs` for them and for requests under way, lets go of all addresses. */
  close(graceMs?: number): Promise<void>
}

export const DEFAULT_CONTROL: ListenAddress = { address: '127.0.0.1', port: 54326 }
export const DEFAULT_API: ListenAddress = { address: '127.0.0.1', port: 54327 }

/**
 * Rejects, with nothing left open, where an address cannot be had: EADDRINUSE says by whom it was asked and who has it; with
 * ERR_SERVAL_RULE for a policy that cannot be, or the system's error where those that were kept cannot be read.
 */
export async function startController(options: ControllerOptions = {}): Promise<RunningController> {
  const { control = DEFAULT_CONTROL, api = DEFAULT_API, runtimeDir, leaseMs = 10_000 } = options
  if (!(leaseMs >= MIN_LEASE_MS)) {
    throw new ServalError('ERR_OUT_OF_RANGE', {
      argument: 'leaseMs',
      expected: `>= ${MIN_LEASE_MS}`,
      received: leaseMs,
    })
  }
  if (
    api !== false &&
    options.apiToken === undefined &&
    !(isLoopback(api.address) || api.address === 'localhost')
  ) {
    throw new ServalError('ERR_INVALID_ARG_VALUE', {
      argument: `api${api.askedBy === undefined ? '' : ` (asked for by ${api.askedBy})`}`,
      expected: 'a loopback address, unless apiToken is set',
      received: formatEndpoint(api),
    })
  }
  const policies = (options.policies ?? []).map(line => parsePolicy(line))
  const logger = options.logger ?? pino({ level: 'silent' })
  const controller = instanceId(randomBytes(INSTANCE_BYTES))
  const nowMs = () => performance.now()
  const startedAt = nowMs()
  const hub = new Hub({ controller, pid: process.pid, startedAt, limits: { leaseMs } })
  const keptAt = options.keptPolicies ?? (runtimeDir && join(runtimeDir.path, KEPT_POLICIES))
  const kept = keptAt === undefined ? undefined : new PolicyFile(keptAt)
  for (const policy of [...policies, ...(kept?.lines ?? [])]) hub.setPolicy(policy)
  const server = new ControlServer({ hub, logger, nowMs })
  const app = createApi({
    state: { hub, controller, pid: process.pid, leaseMs, startedAt, nowMs },
    logger,
    token: options.apiToken,
    kept,
    onChanged: () => server.wake(),
  })
  const close = async (graceMs = 1000) => {
    await Promise.all([server.close(graceMs), app.close()])
  }
  try {
    const unix = runtimeDir && (await server.listenUnix(runtimeDir))
    const tcp = control && (await server.listenTcp(control))
    const rest = api && (await listenApi(app.server, api, at => app.listen(at)))
    const addresses = {
      ...(unix && { unix }),
      ...(tcp && { control: { address: tcp.address, port: tcp.port } }),
      ...(rest && {
        api: { address: rest.address, port: rest.port, url: `http://${formatEndpoint(rest)}` },
      }),
    }
    logger.info({ controller, pid: process.pid, ...addresses }, 'controller is ready')
    return { addresses, controller, close }
  } catch (error) {
    await close(0)
    throw error
  }
}

const MIN_LEASE_MS = 100
const KEPT_POLICIES = 'controller.policies'
