/** The serviceIDs of ports of hosts, `8080.10-0-0-1.inet`, by port and address: a hash each, so those in use are kept. */
import { parseServiceName } from '../id/name.ts'
import { portServiceName } from '../id/port-service.ts'
import type { ServiceId } from '../id/service-id.ts'

const KEPT = 1024

export class PortIds {
  readonly #ids = new Map<string, ServiceId | undefined>()

  /** Undefined where no name stands for it: port 0, a link-local address with its zone. */
  find(port: number, address: string): ServiceId | undefined {
    if (port === 0) return undefined
    const key = `${port} ${address}`
    const known = this.#ids.get(key)
    if (known !== undefined || this.#ids.has(key)) return known
    if (this.#ids.size >= KEPT) this.#ids.clear()
    const id = idOf(port, address)
    this.#ids.set(key, id)
    return id
  }
}

function idOf(port: number, address: string): ServiceId | undefined {
  try {
    return parseServiceName(portServiceName(port, address)).id
  } catch {
    return undefined
  }
}
