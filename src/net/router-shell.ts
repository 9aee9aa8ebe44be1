/**
 * A service router as a process runs it: the router's core over UDP links, with its rules from the command line and from
 * a controller.
 */
import type { AgentEvent } from '../control/agent-events.ts'
import type { RuleChange } from '../control/known-rules.ts'
import { ServalError } from '../errors.ts'
import { isLoopback } from '../id/address.ts'
import type { ServiceId } from '../id/service-id.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import { AllowList } from '../router/allow-list.ts'
import { checkByHand } from '../service/rule-check.ts'
import { formatRule, parseRule, type RuleLine } from '../service/rule-text.ts'
import { SaidTargets } from '../service/said-targets.ts'
import type { ServiceTable } from '../service/service-table.ts'
import { type Endpoint, endpointFamily, formatEndpoint } from '../wire/endpoint.ts'
import type { ProfileName } from '../wire/profile.ts'
import { RAW_PORT } from '../wire/raw-ip.ts'
import { AgentLink } from './agent-link.ts'
import { nowMs } from './clock.ts'
import { type Config, type ConfigOptions, DEFAULT_ROUTER_PORT, loadConfig } from './config.ts'
import { ControlRules } from './control-rules.ts'
import { controllerOf } from './controller-address.ts'
import { type EngineOptions, EnginePlane } from './engine/engine-plane.ts'
import { MessageCalls } from './engine/message-calls.ts'
import { hostId } from './host-id.ts'
import { captured, newSharedCapture } from './links/capture.ts'
import type { Network } from './links/link.ts'
import { RawIpNetwork } from './links/raw-ip-network.ts'
import { UdpNetwork } from './links/udp-network.ts'
import { LocalLinks } from './local-links.ts'
import { rawPlane } from './raw-plane.ts'
import type { RouterPlane } from './router-plane.ts'
import type { RuleDesk } from './rule-desk.ts'
import { RuntimeDirectory } from './runtime-dir.ts'
import type { StackStatus } from './status.ts'
import { newStatusServer, type StatusServer } from './status-server.ts'
import { askForSuccession } from './succession.ts'
import { nativePlane } from './thread-plane.ts'
import { version } from './version.ts'

export interface RouterShellOptions extends ConfigOptions {
  /** In the form of `parseRule`. */
  readonly rules?: readonly string[] | undefined
  /** Default: UDP from the addresses of this host. */
  readonly network?: Network | undefined
  /**
   * Threads that forward, each on a core of its own, where the system and this configuration allow it. Default 0: this
   * thread does.
   */
  readonly workers?: number | undefined
  /** Subnets of those who may send through it. Default: everybody may. */
  readonly allowed?: readonly string[] | undefined
  /** Whether another router of this user may have the same addresses for now. Needs workers. Default: no. */
  readonly takeOver?: boolean | undefined
}

const PROGRAM = 'serval router'
/** What comes waits so long for a controller's first rules, once there is a connection to it. */
const FIRST_RULES_MS = 200
/** While a router drains: nothing has come for so long, so nobody asks it any more. */
const QUIET_MS = 200
const QUIET_STEPS = 4

export class RouterShell {
  readonly config: Config
  /** Resolves when it can be asked for its rules, and the controller knows of it or is found not to be there. */
  readonly ready: Promise<void>
  readonly #plane: RouterPlane
  readonly #agent: AgentLink
  readonly #controlRules: ControlRules
  readonly #links: LocalLinks
  readonly #statusServer: StatusServer | undefined
  readonly #hostId: string
  #onSettled: () => void = () => undefined
  /** Resolves when it knows what the router knew whose place it takes. */
  readonly #adopted: Promise<void>
  #hasAdopted = false
  #closing: Promise<void> | undefined

  /**
   * Binds all addresses of this host, or those of `bind`, port 54325 unless given. Throws ERR_SERVAL_RULE,
   * ERR_INVALID_ARG_VALUE, or what keeps an address from being bound.
   */
  constructor(options: RouterShellOptions = {}) {
    const { rules = [], network, workers = 0, allowed = [], takeOver = false, ...configOptions } = options
    this.config = loadConfig(configOptions)
    const isRaw = this.config.profile === '2014' && network === undefined
    const lines = rules.map(rule => parseRule(rule, portOfRules(this.config.profile)))
    const allowList = AllowList.parse(allowed)
    const runtimeDirectory = new RuntimeDirectory(this.config.runtimeDir)
    const events = {
      onResolve: (serviceId: ServiceId) => this.#resolve(serviceId),
      onSendError: (code: string) => this.#links.handleSendError(code),
    }
    const engine = workers > 0 && network === undefined && !isRaw ? this.#engineParts() : undefined
    this.#plane = isRaw
      ? rawPlane(captured(new RawIpNetwork(), this.config.pcap), allowList, events)
      : engine === undefined
        ? nativePlane(
            captured(network ?? new UdpNetwork(this.config.offload), this.config.pcap),
            allowList,
            events,
          )
        : new EnginePlane({ ...engine, workers, allowed, takeOver, events })
    const plane = this.#plane
    this.#controlRules = new ControlRules({
      table: plane.table,
      isReachable: endpoint => this.#isReachable(endpoint),
      onChanged: prefix => plane.release(prefix),
      rest: () => plane.caughtUp(),
    })
    this.#hostId = network === undefined && !isRaw ? hostId() : `${hostId()}/${plane.network.id}`
    this.#agent = new AgentLink({
      agent: {
        kind: 'router',
        hostId: this.#hostId,
        program: PROGRAM,
      },
      isConfigured: this.config.controller !== undefined,
      where: () => controllerOf(this.config.controller, runtimeDirectory),
      onEvent: event => this.#handleAgentEvent(event),
    })
    this.#links = new LocalLinks({
      network: plane.network,
      bind: this.config.bind,
      defaultPort: DEFAULT_ROUTER_PORT,
      events: plane.linkEvents,
      onAdded: (local, link) => {
        plane.addLink(local, link)
        this.#handleLocalsChanged()
      },
      onRemoved: (local, link) => {
        plane.removeLink(local, link)
        this.#handleLocalsChanged()
      },
    })
    try {
      this.#links.start()
      // Once it is known which addresses are its own: a rule must not lead to one of them.
      this.#insert(lines)
    } catch (error) {
      void plane.close()
      this.#links.close()
      throw error
    }
    this.#statusServer = newStatusServer(runtimeDirectory, {
      answer: ({ ask }) => ({
        ...this.#status(),
        ...(ask === 'succession' && this.#hasAdopted ? { succession: plane.succession } : {}),
      }),
      rules: () => this.#openRuleDesk(),
      packets: { isRawIp: isRaw, setTap: tap => plane.setTap(tap) },
    })
    const settled = new Promise<void>(resolve => {
      this.#onSettled = resolve
    })
    this.#adopted = (takeOver ? this.#adopt(runtimeDirectory) : Promise.resolve()).then(() => {
      this.#hasAdopted = true
    })
    this.ready = Promise.all([settled, this.#statusServer?.open(), this.#adopted]).then(() => undefined)
    this.#agent.start()
    if (this.#agent.hasController) return
    this.#onSettled()
    this.#begin()
  }

  /** Where it listens. */
  get endpoints(): readonly Endpoint[] {
    return this.#links.all.map(({ local }) => local.endpoint)
  }

  /** What it routes by. */
  get serviceTable(): ServiceTable {
    return this.#plane.table
  }

  /** Packets by what became of them. */
  get counters(): Readonly<Record<string, number>> {
    return this.#plane.counters
  }

  /**
   * Makes changes of a controller's rules, in slices, and so that no packet waits for them or finds a service missing that has
   * an instance before and after. Resolves when they and all before them are in force wherever packets are forwarded.
   */
  async applyRules({ remove, add }: RuleChange): Promise<void> {
    await this.#controlRules.apply(remove, add)
    await this.#plane.caughtUp()
  }

  /** Withdraws, forwards until nobody asks any more, for `graceMs` (default 0) at most, and ends. */
  close({ graceMs = 0 }: { readonly graceMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(graceMs)
    return this.#closing
  }

  async #close(graceMs: number): Promise<void> {
    this.#agent.stop()
    await this.#quiet(graceMs)
    await this.#plane.close()
    this.#statusServer?.close()
    this.#links.close()
  }

  #status(): StackStatus {
    return {
      version,
      kind: 'router',
      pid: process.pid,
      program: PROGRAM,
      instance: this.#agent.instance,
      hostId: this.#hostId,
      endpoints: this.endpoints.map(formatEndpoint),
      services: [],
      flows: [],
      counters: this.counters,
    }
  }

  /** Only from a directory that is this user's alone: from another anybody could tell anything. */
  async #adopt(directory: RuntimeDirectory): Promise<void> {
    const statusSocket = this.#statusServer?.path
    const heir = { hostId: this.#hostId, endpoints: this.endpoints, statusSocket }
    const asked = statusSocket === undefined ? undefined : askForSuccession(directory, heir)
    const succession = await asked?.catch(() => undefined)
    if (succession !== undefined) return this.#plane.adopt?.(succession)
    const places = this.endpoints.map(formatEndpoint).join(', ')
    process.emitWarning(
      `no router at ${places} was found in ${directory.path} that could say what it has sent on: if one runs there, answers to that may be lost`,
      { code: 'SERVAL_TAKE_OVER' },
    )
  }

  #begin(): void {
    void this.#adopted.then(() => this.#plane.begin())
  }

  async #openRuleDesk(): Promise<RuleDesk> {
    const { RuleDesk } = await import('./rule-desk.ts')
    const { table } = this.#plane
    return new RuleDesk({
      table,
      defaultPort: portOfRules(this.config.profile),
      own: () => this.endpoints,
      replace: (prefix, rules, origin, selector) => table.replace(prefix, rules, origin, selector),
      remove: (prefix, selector) => table.remove(prefix, selector),
      counts: prefixes => this.#plane.ruleCounts(prefixes),
      onChanged: prefix => this.#plane.release(prefix),
      caughtUp: () => this.#plane.caughtUp(),
    })
  }

  #quiet(graceMs: number): Promise<void> {
    const until = nowMs() + graceMs
    let lastPackets = this.#plane.counters.packets
    let quietSteps = 0
    return new Promise(resolve => {
      const look = () => {
        const { packets } = this.#plane.counters
        quietSteps = packets === lastPackets ? quietSteps + 1 : 0
        lastPackets = packets
        if (quietSteps > QUIET_STEPS || nowMs() >= until) resolve()
        else setTimeout(look, QUIET_MS / QUIET_STEPS)
      }
      look()
    })
  }

  #resolve(serviceId: ServiceId): void {
    const prefix = new ServicePrefix(serviceId, 256)
    if (this.#agent.hasController) this.#agent.resolve({ name: serviceId.toString(), prefix })
    else this.#plane.refuse(prefix)
  }

  #handleAgentEvent(event: AgentEvent): void {
    switch (event.type) {
      case 'connected':
        this.#onSettled()
        // There may be no rules.
        setTimeout(() => {
          void this.applyRules({ remove: [], add: [] }).then(() => this.#begin())
        }, FIRST_RULES_MS).unref()
        break
      case 'disconnected':
        this.#onSettled()
        this.#begin()
        break
      case 'rules':
        void this.applyRules(event).then(() => this.#begin())
        break
      case 'loads':
        this.#controlRules.report(event.loads, nowMs())
        break
      case 'routers':
        this.#plane.setKnownRouters(
          event.routers.flatMap(({ instance, endpoints }) =>
            instance === this.#agent.instance ? [] : endpoints.map(formatEndpoint),
          ),
        )
        break
      case 'resolved':
        void this.#letGo(event.service.prefix)
        break
      case 'unresolved':
        this.#plane.refuse(event.service.prefix)
        break
    }
  }

  /** The controller has said who serves it; what still waits wants what nobody takes, as a datagram where streams are served. */
  async #letGo(prefix: ServicePrefix): Promise<void> {
    await this.applyRules({ remove: [], add: [] })
    this.#plane.release(prefix)
    this.#plane.refuse(prefix)
  }

  #insert(lines: readonly RuleLine[]): void {
    const said = new SaidTargets<string>()
    for (const line of lines) {
      const { pattern, prefix, rule } = line
      const text = formatRule(pattern, rule)
      checkByHand(rule, this.endpoints, () => text)
      const earlier = said.add(line, text)
      if (earlier !== undefined) throw repeatedTarget(text, earlier)
      this.#plane.table.insert(prefix, rule, { source: 'config', name: pattern })
    }
  }

  /** What workers need: this system may not have it, and a capture into a pipe is made in this thread alone. */
  #engineParts(): Pick<EngineOptions, 'calls' | 'capture'> | undefined {
    const { offload, pcap } = this.config
    const calls = offload === true ? MessageCalls.load() : undefined
    if (calls === undefined) return undefined
    const capture = pcap === undefined ? undefined : newSharedCapture(pcap)
    return pcap !== undefined && capture === undefined ? undefined : { calls, capture }
  }

  #handleLocalsChanged(): void {
    const { endpoints } = this
    const isPublic = ({ address }: Endpoint) => !isLoopback(address)
    const reachable = endpoints.filter(({ address }) => !address.includes('%'))
    this.#agent.setEndpoints([
      ...reachable.filter(isPublic),
      ...reachable.filter(endpoint => !isPublic(endpoint)),
    ])
    void this.#controlRules.refresh()
  }

  #isReachable(endpoint: Endpoint): boolean {
    return this.endpoints.some(own => endpointFamily(own) === endpointFamily(endpoint))
  }
}

function repeatedTarget(rule: string, earlier: string): ServalError {
  const expected = `"${earlier}" says something of the same target; say it in one rule`
  return new ServalError('ERR_SERVAL_RULE', { rule, value: rule, expected })
}

/** Raw IP has no ports, so rules of the 2014 profile need not name any. */
export function portOfRules(profile: ProfileName): number | undefined {
  return profile === '2014' ? RAW_PORT : undefined
}
