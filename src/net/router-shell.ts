/**
 * A service router as a process runs it: the router's core over UDP links, with its rules from the command line and from
 * a controller.
 */
import { hostname } from 'node:os'
import type { AgentEvent } from '../control/agent.ts'
import { isOnLink } from '../flow/path.ts'
import { isLoopback } from '../id/address.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import { Router, type RouterEvent } from '../router/router.ts'
import { parseRule, type RuleLine } from '../service/rule-text.ts'
import type { ServiceTable } from '../service/service-table.ts'
import { type Endpoint, endpointFamily, formatEndpoint } from '../wire/endpoint.ts'
import { AgentLink } from './agent-link.ts'
import { nowMs } from './clock.ts'
import { type Config, type ConfigOptions, DEFAULT_ROUTER_PORT, loadConfig } from './config.ts'
import { ControlRules } from './control-rules.ts'
import { controllerOf } from './controller-address.ts'
import { Driver } from './driver.ts'
import { hostId } from './host-id.ts'
import { captured } from './links/capture.ts'
import type { Network } from './links/link.ts'
import { UdpNetwork } from './links/udp-network.ts'
import { LocalLinks } from './local-links.ts'
import { randomBytes } from './random.ts'
import { RuleDesk } from './rule-desk.ts'
import { RuntimeDirectory } from './runtime-dir.ts'
import type { StackStatus } from './status.ts'
import { newStatusServer, type StatusServer } from './status-server.ts'
import { version } from './version.ts'

export interface RouterShellOptions extends ConfigOptions {
  /** In the form of `parseRule`. */
  readonly rules?: readonly string[] | undefined
  /** Default: UDP from the addresses of this host. */
  readonly network?: Network | undefined
}

const PROGRAM = 'serval router'
/** While a router drains: nothing has come for so long, so nobody asks it any more. */
const QUIET_MS = 200
const QUIET_STEPS = 4

export class RouterShell {
  readonly config: Config
  /** Resolves when it can be asked for its rules, and the controller knows of it or is found not to be there. */
  readonly ready: Promise<void>
  readonly #router: Router
  readonly #driver: Driver<RouterEvent>
  readonly #agent: AgentLink
  readonly #controlRules: ControlRules
  readonly #links: LocalLinks
  readonly #statusServer: StatusServer | undefined
  readonly #hostId: string
  /** Routers that the controller tells of: what they say of a SYN's way is believed. */
  #peers: ReadonlySet<string> = new Set()
  #onSettled: () => void = () => undefined
  #closing: Promise<void> | undefined

  /**
   * Binds all addresses of this host, or those of `bind`, port 54325 unless given. Throws ERR_SERVAL_RULE,
   * ERR_INVALID_ARG_VALUE, or what keeps an address from being bound.
   */
  constructor(options: RouterShellOptions = {}) {
    const { rules = [], network, ...configOptions } = options
    const lines = rules.map(rule => parseRule(rule))
    this.config = loadConfig(configOptions)
    const runtimeDirectory = new RuntimeDirectory(this.config.runtimeDir)
    this.#router = new Router({
      randomBytes,
      isNear: endpoint => this.#links.all.some(({ local }) => isOnLink(local, endpoint)),
      isKnownRouter: remote => this.#peers.has(formatEndpoint(remote)),
    })
    this.#driver = new Driver<RouterEvent>(
      this.#router,
      event => this.#handleEvent(event),
      (_link, code) => this.#links.handleSendError(code),
    )
    this.#controlRules = new ControlRules(this.#router.table, endpoint => this.#isReachable(endpoint))
    this.#hostId = network === undefined ? hostId() : `${hostId()}/${network.id}`
    this.#agent = new AgentLink({
      agent: {
        kind: 'router',
        hostId: this.#hostId,
        hostName: hostname(),
        program: PROGRAM,
        pid: process.pid,
        randomBytes,
      },
      isConfigured: this.config.controller !== undefined,
      where: () => controllerOf(this.config.controller, runtimeDirectory),
      onEvent: event => this.#handleAgentEvent(event),
    })
    this.#links = new LocalLinks({
      network: captured(network ?? new UdpNetwork(this.config.offload), this.config.pcap),
      bind: this.config.bind,
      defaultPort: DEFAULT_ROUTER_PORT,
      events: this.#driver,
      onAdded: (local, link) => {
        this.#driver.attach(link)
        this.#router.addLocal(local)
        this.#handleLocalsChanged()
      },
      onRemoved: (local, link) => {
        this.#router.removeLocal(local.id)
        this.#driver.detach(link)
        this.#handleLocalsChanged()
      },
    })
    this.#links.start()
    // Once it is known which addresses are its own: a rule must not lead to one of them.
    try {
      for (const line of lines) this.#insert(line)
    } catch (error) {
      this.#driver.close()
      this.#links.close()
      throw error
    }
    this.#statusServer = newStatusServer(runtimeDirectory, {
      answer: () => this.#status(),
      rules: this.#newRuleDesk(),
    })
    const settled = new Promise<void>(resolve => {
      this.#onSettled = resolve
    })
    this.ready = Promise.all([settled, this.#statusServer?.open()]).then(() => undefined)
    this.#agent.start()
    if (!this.#agent.hasController) this.#onSettled()
  }

  /** Where it listens. */
  get endpoints(): readonly Endpoint[] {
    return this.#links.all.map(({ local }) => local.endpoint)
  }

  /** What it routes by. */
  get serviceTable(): ServiceTable {
    return this.#router.table
  }

  /** Packets by what became of them. */
  get counters(): Readonly<Record<string, number>> {
    return { ...this.#router.counters, ...this.#driver.counters }
  }

  /** Withdraws, forwards until nobody asks any more, for `graceMs` (default 0) at most, and ends. */
  close({ graceMs = 0 }: { readonly graceMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(graceMs)
    return this.#closing
  }

  async #close(graceMs: number): Promise<void> {
    this.#agent.stop()
    await this.#quiet(graceMs)
    this.#router.refuseDelayed(ServicePrefix.all, nowMs())
    await this.#driver.settled()
    this.#statusServer?.close()
    this.#driver.close()
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

  #newRuleDesk(): RuleDesk {
    const { table } = this.#router
    return new RuleDesk({
      table,
      own: () => this.endpoints,
      replace: (prefix, rules, origin, selector) => table.replace(prefix, rules, origin, selector),
      remove: (prefix, selector) => table.remove(prefix, selector),
      onChanged: prefix => {
        this.#router.releaseDelayed(prefix, nowMs())
        this.#driver.wake()
      },
    })
  }

  #quiet(graceMs: number): Promise<void> {
    const until = nowMs() + graceMs
    let lastPackets = this.#router.counters.packets
    let quietSteps = 0
    return new Promise(resolve => {
      const look = () => {
        const { packets } = this.#router.counters
        quietSteps = packets === lastPackets ? quietSteps + 1 : 0
        lastPackets = packets
        if (quietSteps > QUIET_STEPS || nowMs() >= until) resolve()
        else setTimeout(look, QUIET_MS / QUIET_STEPS)
      }
      look()
    })
  }

  #handleEvent({ serviceId }: RouterEvent): void {
    const prefix = new ServicePrefix(serviceId, 256)
    if (this.#agent.hasController) this.#agent.resolve({ name: serviceId.toString(), prefix })
    else this.#router.refuseDelayed(prefix, nowMs())
  }

  #handleAgentEvent(event: AgentEvent): void {
    switch (event.type) {
      case 'connected':
      case 'disconnected':
        this.#onSettled()
        break
      case 'rules':
        for (const prefix of this.#controlRules.apply(event.remove, event.add)) {
          this.#router.releaseDelayed(prefix, nowMs())
        }
        break
      case 'routers':
        this.#peers = new Set(
          event.routers.flatMap(({ instance, endpoints }) =>
            instance === this.#agent.instance ? [] : endpoints.map(formatEndpoint),
          ),
        )
        break
      case 'resolved':
        this.#router.releaseDelayed(event.service.prefix, nowMs())
        break
      case 'unresolved':
        this.#router.refuseDelayed(event.service.prefix, nowMs())
        break
    }
    this.#driver.wake()
  }

  #insert({ pattern, prefix, rule }: RuleLine): void {
    this.#router.insert(prefix, rule, { source: 'config', name: pattern }, nowMs())
  }

  #handleLocalsChanged(): void {
    const { endpoints } = this
    const isPublic = ({ address }: Endpoint) => !isLoopback(address)
    const reachable = endpoints.filter(({ address }) => !address.includes('%'))
    this.#agent.setEndpoints([
      ...reachable.filter(isPublic),
      ...reachable.filter(endpoint => !isPublic(endpoint)),
    ])
    this.#controlRules.refresh()
  }

  #isReachable(endpoint: Endpoint): boolean {
    return this.endpoints.some(own => endpointFamily(own) === endpointFamily(endpoint))
  }
}
