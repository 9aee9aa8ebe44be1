/**
 * Keeps one link for each usable address of this host: looks at the addresses a few times a second, and at once when a
 * send fails in a way that says that one has gone. An address that cannot be bound yet (a tentative one of IPv6, RFC 4862
 * section 5.4) is tried again at the next look.
 */
import type { Local } from '../flow/path.ts'
import { canonicalAddress, isLoopback } from '../id/address.ts'
import type { BindAddress } from './config.ts'
import type { HostAddress, Link, LinkEvents, Network } from './links/link.ts'

/** How soon a change is seen, and with it a migration begins. */
export const WATCH_INTERVAL_MS = 250

/** What sends fail with when their address, or the way from it, is no more (Linux: ENETUNREACH, before 6: EINVAL). */
const GONE_CODES: ReadonlySet<string> = new Set([
  'EADDRNOTAVAIL',
  'EINVAL',
  'ENETUNREACH',
  'ENETDOWN',
  'EHOSTUNREACH',
])

/** Every IPv6 link carries it (RFC 8200 section 5), and in practice every other. */
const UNKNOWN_MTU = 1280

export interface LocalLinksOptions {
  readonly network: Network
  /** Empty: all addresses. */
  readonly bind: readonly BindAddress[]
  /** Where `bind` names none. */
  readonly defaultPort: number
  readonly events: LinkEvents
  onAdded(local: Local, link: Link): void
  onRemoved(local: Local, link: Link): void
  /** What is known of its interface has changed. */
  onChanged?(local: Local): void
}

interface Entry {
  /** What is known of the interface may change; the link stays. */
  readonly local: { -readonly [K in keyof Local]: Local[K] }
  readonly link: Link
  host: HostAddress
}

interface Wanted {
  readonly host: HostAddress
  readonly port: number
}

export class LocalLinks {
  readonly #options: LocalLinksOptions
  readonly #entries = new Map<string, Entry>()
  /** Why an address could not be bound when last tried. */
  readonly #failures = new Map<string, Error>()
  /** Addresses that an interface has had. */
  readonly #listed = new Set<string>()
  /** Loopback addresses that no interface lists. */
  readonly #extra: HostAddress[] = []
  #stopWatching: (() => void) | undefined
  #interval: NodeJS.Timeout | undefined
  #lastId = 0

  constructor(options: LocalLinksOptions) {
    this.#options = options
  }

  /**
   * Binds, and watches from now on. Throws what keeps a port from being bound (EADDRINUSE, EACCES), and EADDRNOTAVAIL
   * where none of the addresses asked for is there; one of several may come later.
   */
  start(): void {
    this.look()
    const isNoneThere = this.#entries.size === 0 && this.#options.bind.length > 0
    for (const error of this.#failures.values()) {
      const { code } = error as NodeJS.ErrnoException
      if (!isNoneThere && code !== 'EADDRINUSE' && code !== 'EACCES') continue
      this.close()
      throw error
    }
    this.#interval = setInterval(() => this.look(), WATCH_INTERVAL_MS)
    this.#interval.unref()
    this.#stopWatching = this.#options.network.watch?.(() => this.look())
  }

  get all(): readonly Entry[] {
    return [...this.#entries.values()]
  }

  /** The link at an address. One of 127.0.0.0/8 is bound when it is first asked for: they all are this host's. */
  find(text: string): Entry | undefined {
    const address = canonicalAddress(text) ?? text
    const known = this.#entries.get(address)
    if (known !== undefined || !isIpv4Loopback(address) || this.#options.network.id !== 'udp') return known
    const loopback = this.all.find(({ local }) => isIpv4Loopback(local.endpoint.address))
    if (loopback === undefined) return undefined
    this.#extra.push({ ...loopback.host, address })
    this.look()
    return this.#entries.get(address)
  }

  /** A link of an interface, IPv4 before IPv6 unless `family` says otherwise. */
  findInterface(name: string, family: 4 | 6): Entry | undefined {
    const isFamily = ({ local }: Entry) => local.endpoint.address.includes(':') === (family === 6)
    return this.all.find(entry => entry.host.interfaceName === name && isFamily(entry))
  }

  /** A send failed with `code`. */
  handleSendError(code: string): void {
    if (GONE_CODES.has(code)) this.look()
  }

  /** Binds what is new, lets go of what is no more. */
  look(): void {
    const present = [...this.#options.network.addresses(), ...this.#extra]
    for (const { address } of present) this.#listed.add(address)
    this.#failures.clear()
    const wanted = this.#wanted(present)
    for (const [address, entry] of this.#entries) {
      const host = wanted.get(address)?.host
      if (host !== undefined) this.#refresh(entry, host)
      else this.#remove(address, entry)
    }
    for (const [address, { host, port }] of wanted) if (!this.#entries.has(address)) this.#open(host, port)
  }

  close(): void {
    clearInterval(this.#interval)
    this.#stopWatching?.()
    for (const { link } of this.#entries.values()) link.close()
    this.#entries.clear()
  }

  #wanted(present: readonly HostAddress[]): Map<string, Wanted> {
    const { bind, defaultPort } = this.#options
    const wanted = new Map<string, Wanted>()
    for (const host of bind.length === 0 ? present : this.#extra) {
      wanted.set(host.address, { host, port: defaultPort })
    }
    for (const { address, port = defaultPort } of bind) {
      const hosts = isUnspecified(address)
        ? present.filter(host => host.address.includes(':') === address.includes(':'))
        : [this.#hostOf(address, present) ?? this.#fail(address, port)]
      for (const host of hosts) if (host !== undefined) wanted.set(host.address, { host, port })
    }
    return wanted
  }

  /**
   * What is known of an address that was asked for. The system lists an interface only when it has found it to be
   * running, up to a second after it is; binding shows at once whether the address is there.
   */
  #hostOf(address: string, present: readonly HostAddress[]): HostAddress | undefined {
    const listed = present.find(host => host.address === address) ?? loopbackLike(address, present)
    if (listed !== undefined || this.#listed.has(address)) return listed
    const prefixBits = address.includes(':') ? 128 : 32
    return { address, prefixBits, mtu: UNKNOWN_MTU, interfaceName: 'unknown' }
  }

  #fail(address: string, port: number): undefined {
    const message = `bind EADDRNOTAVAIL ${address}:${port}`
    this.#failures.set(address, Object.assign(new Error(message), { code: 'EADDRNOTAVAIL', address }))
  }

  #remove(address: string, { local, link }: Entry): void {
    this.#entries.delete(address)
    this.#options.onRemoved(local, link)
    link.close()
  }

  #refresh(entry: Entry, host: HostAddress): void {
    const { local } = entry
    entry.host = host
    if (local.prefixBits === host.prefixBits && local.mtu === host.mtu) return
    local.prefixBits = host.prefixBits
    local.mtu = host.mtu
    this.#options.onChanged?.(local)
  }

  #open(host: HostAddress, port: number): void {
    const { network, events, onAdded } = this.#options
    let link: Link
    try {
      link = network.open(++this.#lastId, host, port, events)
    } catch (error) {
      this.#failures.set(host.address, error as Error)
      return
    }
    const { prefixBits, mtu } = host
    const local = { id: link.id, endpoint: link.endpoint, prefixBits, mtu }
    this.#entries.set(host.address, { local, link, host })
    onAdded(local, link)
  }
}

/** All of 127.0.0.0/8 is this host, though interfaces list one address (RFC 1122 section 3.2.1.3). */
function loopbackLike(address: string, present: readonly HostAddress[]): HostAddress | undefined {
  if (!isIpv4Loopback(address)) return undefined
  const loopback = present.find(host => isIpv4Loopback(host.address))
  return loopback && { ...loopback, address }
}

function isIpv4Loopback(address: string): boolean {
  return isLoopback(address) && !address.includes(':')
}

function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}
