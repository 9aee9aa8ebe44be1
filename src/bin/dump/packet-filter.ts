/** Which lines of a dump are wanted: by service, flow, address and kind of packet. All that are given must fit. */
import { serviceIdOf } from '../../id/name.ts'
import { parseEndpoint } from '../../wire/endpoint.ts'

export interface PacketFilterOptions {
  /** A name or raw ID: the packets that name it, and all others of the flows that these open. */
  readonly name?: string | undefined
  /** 8 hex digits, of either end. */
  readonly flow?: string | undefined
  /** An address, or address:port, of either end. */
  readonly address?: string | undefined
  /** The flags of a control packet, as in SYN+ACK, or `data`. */
  readonly type?: string | undefined
}

/** Flows that are remembered by the service that they go to; the oldest is forgotten. */
const REMEMBERED_FLOWS = 65_536

export class PacketFilter {
  readonly #service: string | undefined
  readonly #flow: string | undefined
  readonly #address: string | undefined
  readonly #type: string | undefined
  /** flowIDs of flows to the service. */
  readonly #flows = new Set<string>()

  constructor({ name, flow, address, type }: PacketFilterOptions) {
    // As `formatPacket` writes a service: the three levels of its name.
    this.#service = name && `service ${serviceIdOf(name).toString().slice(2, 26)}..`
    this.#flow = flow?.toLowerCase()
    this.#address = address
    this.#type = type === 'data' ? type : type?.toUpperCase()
  }

  /** Takes lines in their order: a flow is known by the packets that have opened it. */
  fits(line: string): boolean {
    const [, from = '', to = '', source = '', destination = '', rest = ''] = PACKET.exec(line) ?? []
    const isOfService = this.#isOfService(source, destination, rest)
    return (
      isOfService &&
      (this.#flow === undefined || this.#flow === source || this.#flow === destination) &&
      (this.#address === undefined || isAt(from, this.#address) || isAt(to, this.#address)) &&
      (this.#type === undefined || this.#type === typeOf(rest))
    )
  }

  #isOfService(source: string, destination: string, rest: string): boolean {
    if (this.#service === undefined) return true
    const isKnown = this.#flows.has(source) || this.#flows.has(destination)
    if (!isKnown && !rest.includes(this.#service)) return false
    for (const flow of [source, destination]) if (flow !== NO_FLOW) this.#flows.add(flow)
    for (const oldest of this.#flows) {
      if (this.#flows.size <= REMEMBERED_FLOWS) break
      this.#flows.delete(oldest)
    }
    return true
  }
}

const PACKET = /^(\S+) > (\S+) ([0-9a-f]{8})>([0-9a-f]{8}) ?(.*)$/
const NO_FLOW = '00000000'

function typeOf(rest: string): string {
  return /^[A-Z+]+(?= |$)/.exec(rest)?.[0] ?? 'data'
}

function isAt(place: string, address: string): boolean {
  return place === address || parseEndpoint(place)?.address === address
}
