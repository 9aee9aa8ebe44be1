/**
 * Takes the registrations of the original's daemons, and passes them to a controller: each daemon's address becomes a host of
 * its own there, whose services live as long as the daemon refreshes them.
 *
 *   daemons --- datagrams for service 88888, raw IP ---> Stack ---> DaemonLeases ---> one AgentLink an address ---> controller
 */
import { type DaemonChange, DaemonLeases } from '../control/daemon-leases.ts'
import { REGISTRAR } from '../control/daemon-message.ts'
import { RAW_IP } from '../control/host-network.ts'
import { DEFAULT_PRIORITY, DEFAULT_WEIGHT } from '../service/rule.ts'
import { RAW_PORT } from '../wire/raw-ip.ts'
import { AgentLink } from './agent-link.ts'
import { DeadlineTimer, nowMs } from './clock.ts'
import type { ConfigOptions, ControllerAddress } from './config.ts'
import { openStack, type Stack } from './stack.ts'

/** As the original's daemon is called. */
const PROGRAM = 'servd'

export class DaemonRegistrar {
  readonly #stack: Stack
  readonly #controller: ControllerAddress
  readonly #leases = new DaemonLeases()
  readonly #timer = new DeadlineTimer(() => this.#carryOut(this.#leases.handleTimeout(nowMs())))
  readonly #hosts = new Map<string, DaemonHost>()

  private constructor(stack: Stack, controller: ControllerAddress) {
    this.#stack = stack
    this.#controller = controller
    this.#timer.hold(false)
  }

  /** Listens on raw IP. Rejects with ERAWSOCKET where that is not to be had. */
  static async open(controller: ControllerAddress, config: ConfigOptions = {}): Promise<DaemonRegistrar> {
    const stack = openStack({ ...config, profile: '2014' })
    const registrar = new DaemonRegistrar(stack, controller)
    const onMessages = () => registrar.#read()
    // It takes datagrams; a flow has nothing to tell it.
    const onFlow = () => ({ onSignals: () => undefined })
    await stack.listen(REGISTRAR, { datagrams: { onMessages } }, onFlow)
    return registrar
  }

  /** Withdraws everything. */
  async close(): Promise<void> {
    this.#timer.disarm()
    for (const host of this.#hosts.values()) host.close()
    await this.#stack.close()
  }

  #read(): void {
    for (const listener of this.#stack.services()) {
      for (let datagram = listener.read(); datagram; datagram = listener.read())
        this.#carryOut(this.#leases.handleMessage(datagram.payload, datagram.remote.address, nowMs()))
    }
  }

  #carryOut(changes: readonly DaemonChange[]): void {
    for (const change of changes) this.#hostOf(change.address).handle(change)
    for (const [address, host] of this.#hosts) {
      if (host.services > 0) continue
      host.close()
      this.#hosts.delete(address)
    }
    this.#timer.arm(this.#leases.nextTimeoutAt)
  }

  #hostOf(address: string): DaemonHost {
    const known = this.#hosts.get(address)
    if (known !== undefined) return known
    const host = new DaemonHost(address, this.#controller)
    this.#hosts.set(address, host)
    return host
  }
}

/** What the controller sees of a daemon. */
class DaemonHost {
  readonly #link: AgentLink
  /** By prefix, as the link numbers them. */
  readonly #registrations = new Map<string, number>()

  constructor(address: string, controller: ControllerAddress) {
    this.#link = new AgentLink({
      agent: {
        kind: 'host',
        hostId: `${address}/${RAW_IP}`,
        hostName: address,
        program: PROGRAM,
        pid: 0,
      },
      isConfigured: true,
      where: () => controller,
      onEvent: () => undefined,
    })
    this.#link.setEndpoints([{ address, port: RAW_PORT }])
    this.#link.start()
  }

  get services(): number {
    return this.#registrations.size
  }

  handle({ type, prefix }: DaemonChange): void {
    const key = prefix.toString()
    if (type === 'registered') {
      const service = { name: key, prefix, weight: DEFAULT_WEIGHT, priority: DEFAULT_PRIORITY }
      const { id, acknowledged } = this.#link.register(service)
      this.#registrations.set(key, id)
      // Refused: another name has it. The daemon cannot be told, and goes on asking.
      acknowledged.catch(error => process.emitWarning(error.message, { code: error.code }))
      return
    }
    const id = this.#registrations.get(key)
    this.#registrations.delete(key)
    if (id !== undefined) void this.#link.unregister(id)
  }

  close(): void {
    this.#link.stop()
  }
}
