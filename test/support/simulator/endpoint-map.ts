/** A map by end point, without a text for each look: the network looks several times a packet. */
import type { Endpoint } from '../../../src/wire/endpoint.ts'

export class EndpointMap<V> {
  readonly #byAddress = new Map<string, Map<number, V>>()

  get({ address, port }: Endpoint): V | undefined {
    return this.#byAddress.get(address)?.get(port)
  }

  set({ address, port }: Endpoint, value: V): void {
    const byPort = this.#byAddress.get(address)
    if (byPort) byPort.set(port, value)
    else this.#byAddress.set(address, new Map([[port, value]]))
  }

  delete({ address, port }: Endpoint): void {
    this.#byAddress.get(address)?.delete(port)
  }
}
