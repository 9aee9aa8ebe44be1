/** A service router of the simulated network. */
import { serviceIdOf } from '../../../src/id/name.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import { Router } from '../../../src/router/router.ts'
import type { Rule } from '../../../src/service/rule.ts'
import type { Endpoint } from '../../../src/wire/endpoint.ts'
import type { Link } from './link.ts'
import { SimNode } from './node.ts'
import type { HostWorld, SimHost } from './sim-host.ts'

export class SimRouter extends SimNode {
  readonly router: Router
  readonly endpoint: Endpoint
  protected readonly core: Router

  constructor(name: string, link: Link, world: HostWorld) {
    super(name, world)
    this.router = new Router({
      randomBytes: world.random.bytes,
      isKnownRouter: remote => world.network.find(remote)?.node instanceof SimRouter,
    })
    this.core = this.router
    this.endpoint = world.nextEndpoint(link)
    const port = world.network.attach(this, this.endpoint, link, name)
    this.ports.set(port.id, port)
    this.router.addLocal({ id: port.id, endpoint: this.endpoint })
  }

  rule(service: string, rule: Rule): void {
    this.router.insert(new ServicePrefix(serviceIdOf(service), 256), rule, { source: 'user' }, this.nowMs)
    this.wake()
  }

  /** SYNs for `service` go to one of `nodes`. */
  forward(service: string, ...nodes: readonly (SimHost | SimRouter)[]): this {
    const endpointOf = (node: SimHost | SimRouter) =>
      node instanceof SimRouter ? node.endpoint : node.attached[0]!.endpoint
    this.rule(service, { type: 'FORWARD', targets: nodes.map(node => ({ endpoint: endpointOf(node) })) })
    return this
  }
}
