/**
 * Who serves what: the agents that are connected, and what each has registered. Names are compared in full;
 * the serviceIDs that they hash to only find them (src/wire/README.md, "Names"). Pure state: nothing here knows connections,
 * clocks or who is to be told.
 */
import type { AgentKind, ControlRuleKey, InstanceId, NamedPrefix } from '../src/control/messages.ts'
import type { Shares } from '../src/control/shares.ts'
import { ServalError } from '../src/errors.ts'
import { parseServicePattern } from '../src/id/name.ts'
import { ServicePrefix } from '../src/id/service-prefix.ts'
import type { Load } from '../src/service/balance/observed.ts'
import type { PolicyLine } from '../src/service/policy-text.ts'
import type { Endpoint } from '../src/wire/endpoint.ts'
import { Policies } from './policies.ts'

/** A process with a control connection: a host's stack, which may serve, or a router. */
export interface Member {
  readonly kind: AgentKind
  readonly instance: InstanceId
  readonly hostId: string
  readonly hostName: string
  readonly program: string
  readonly pid: number
  /** Where the process answers. */
  readonly endpoints: readonly Endpoint[]
  readonly joinedAt: number
}

export interface Registration extends NamedPrefix, Shares {
  readonly instance: InstanceId
  readonly registeredAt: number
  /** As the instance has said last. */
  readonly load?: Load
}

/** A name or prefix with everyone who serves it; never nobody. */
export interface Service extends NamedPrefix {
  readonly registrations: ReadonlyMap<InstanceId, Registration>
}

/** Why a registration is refused: the Ack says so. */
export interface Refusal {
  readonly code: 'ESERVICENAME' | 'EADDRINUSE' | 'ELIMIT'
  readonly message: string
}

export class Registry {
  readonly #policies = new Policies()
  readonly #maxPerMember: number
  readonly #members = new Map<InstanceId, Member>()
  readonly #services = new Map<string, MutableService>()
  /** By instance, the prefixes it has registered. */
  readonly #owned = new Map<InstanceId, Set<string>>()
  /** How many services there are of each prefix length. */
  readonly #lengths = new Map<number, number>()
  readonly #changed = new Map<string, ControlRuleKey>()

  constructor(maxRegistrationsPerMember: number) {
    this.#maxPerMember = maxRegistrationsPerMember
  }

  get members(): ReadonlyMap<InstanceId, Member> {
    return this.#members
  }

  get services(): ReadonlyMap<string, Service> {
    return this.#services
  }

  /** How services are shared. */
  get policies(): Pick<Policies, 'all' | 'find' | 'sharingOf'> {
    return this.#policies
  }

  /** Says how the services under a pattern are shared: all rules for them count as changed. */
  setPolicy(line: PolicyLine): void {
    this.#policies.set(line)
    this.#noteUnder(line.prefix)
  }

  /** False if there was none for exactly this prefix. */
  removePolicy(prefix: ServicePrefix): boolean {
    const isRemoved = this.#policies.remove(prefix)
    if (isRemoved) this.#noteUnder(prefix)
    return isRemoved
  }

  /** The services that an instance has registered. */
  servicesOf(instance: InstanceId): Service[] {
    return [...(this.#owned.get(instance) ?? [])].map(key => this.#services.get(key)!)
  }

  /** The registration that a key names, if it is still there. */
  find({ prefix, instance }: ControlRuleKey): Registration | undefined {
    return this.#services.get(prefix.toString())?.registrations.get(instance)
  }

  /** Adds a member, or replaces what is known of it: its registrations stay and count as changed. */
  join(member: Member): void {
    this.#members.set(member.instance, member)
    for (const { name, prefix } of this.servicesOf(member.instance)) {
      this.#note({ name, prefix, instance: member.instance })
    }
  }

  /** Takes a member away with all that it has registered. */
  leave(instance: InstanceId): void {
    for (const { prefix } of this.servicesOf(instance)) this.unregister(instance, prefix)
    this.#owned.delete(instance)
    this.#members.delete(instance)
  }

  /** Adds an instance to a service, or changes what it takes. The member must have joined. */
  register(
    instance: InstanceId,
    service: NamedPrefix,
    { weight, priority, shares }: Shares,
    nowMs: number,
  ): Refusal | undefined {
    const named = checkedService(service)
    if ('code' in named) return named
    const { name, prefix } = named
    const key = prefix.toString()
    const known = this.#services.get(key)
    // Two names can share a hash of 32 bits: the first one owns the prefix.
    if (known !== undefined && known.name !== name) {
      return { code: 'EADDRINUSE', message: `${name} has the same ${prefix.bits} bits as ${known.name}` }
    }
    const owned = this.#owned.get(instance) ?? new Set()
    if (!owned.has(key) && owned.size >= this.#maxPerMember) {
      return { code: 'ELIMIT', message: `one process registers at most ${this.#maxPerMember} services` }
    }
    this.#owned.set(instance, owned.add(key))
    const entry = known ?? this.#addService(key, named)
    const registeredAt = entry.registrations.get(instance)?.registeredAt ?? nowMs
    const registration = { name, prefix, instance, weight, priority, registeredAt }
    entry.registrations.set(instance, shares === undefined ? registration : { ...registration, shares })
    this.#note({ name, prefix, instance })
    return undefined
  }

  /** An instance says how busy it is with a service; undefined if it has not registered that. */
  report(instance: InstanceId, prefix: ServicePrefix, { flows, load }: Load): Registration | undefined {
    const service = this.#services.get(prefix.toString())
    const registration = service?.registrations.get(instance)
    if (service === undefined || registration === undefined) return undefined
    const reported = { ...registration, load: { flows, load } }
    service.registrations.set(instance, reported)
    return reported
  }

  /** False if it was not registered. */
  unregister(instance: InstanceId, prefix: ServicePrefix): boolean {
    const key = prefix.toString()
    const service = this.#services.get(key)
    if (service === undefined || !service.registrations.delete(instance)) return false
    this.#owned.get(instance)?.delete(key)
    this.#note({ name: service.name, prefix, instance })
    if (service.registrations.size === 0) this.#removeService(key, service)
    return true
  }

  /** Who serves it: those of the longest prefix that covers it, by ID and, where names are known, by name. */
  resolve(asked: NamedPrefix): Service | undefined {
    const lengths = [...this.#lengths.keys()].filter(bits => bits <= asked.prefix.bits)
    for (const bits of lengths.sort((a, b) => b - a)) {
      const service = this.#services.get(new ServicePrefix(asked.prefix.id, bits).toString())
      if (service !== undefined && nameCovers(service.name, asked.name)) return service
    }
    return undefined
  }

  /** What has appeared, changed or gone since the last call. */
  takeChanges(): ControlRuleKey[] {
    const changes = [...this.#changed.values()]
    this.#changed.clear()
    return changes
  }

  #note(key: ControlRuleKey): void {
    this.#changed.set(`${key.prefix} ${key.instance}`, key)
  }

  #noteUnder(under: ServicePrefix): void {
    for (const { name, prefix, registrations } of this.#services.values()) {
      if (!under.covers(prefix)) continue
      for (const instance of registrations.keys()) this.#note({ name, prefix, instance })
    }
  }

  #addService(key: string, { name, prefix }: NamedPrefix): MutableService {
    const service = { name, prefix, registrations: new Map<InstanceId, Registration>() }
    this.#services.set(key, service)
    this.#lengths.set(prefix.bits, (this.#lengths.get(prefix.bits) ?? 0) + 1)
    return service
  }

  #removeService(key: string, { prefix }: NamedPrefix): void {
    this.#services.delete(key)
    const left = this.#lengths.get(prefix.bits)! - 1
    if (left === 0) this.#lengths.delete(prefix.bits)
    else this.#lengths.set(prefix.bits, left)
  }
}

/** Whether a name means another host to each host, so that it must not leave the one that made it. */
export function isHostScoped(name: string): boolean {
  return HOST_SCOPED.test(name)
}

interface MutableService extends Service {
  readonly registrations: Map<InstanceId, Registration>
}

const HOST_SCOPED = /(^|\.)localhost\.inet$/
const RAW = /^(x-|0x)[0-9a-f]{62}/i

/** The service under its canonical name, which must lead to its ID. */
function checkedService({ name, prefix }: NamedPrefix): NamedPrefix | Refusal {
  if (name === '' || RAW.test(name)) return { name: prefix.toString(), prefix }
  const canonical = name.toLowerCase()
  if (isHostScoped(canonical)) {
    const message = `${canonical} means this host on every host: it is found there, and not registered`
    return { code: 'ESERVICENAME', message }
  }
  const expected = parsePattern(canonical)
  if (expected instanceof ServalError) return { code: 'ESERVICENAME', message: expected.message }
  if (expected.equals(prefix)) return { name: canonical, prefix }
  return { code: 'ESERVICENAME', message: `${canonical} is ${expected}, not ${prefix}` }
}

function parsePattern(name: string): ServicePrefix | ServalError {
  try {
    return parseServicePattern(name)
  } catch (error) {
    if (error instanceof ServalError) return error
    throw error
  }
}

/** `*.shop.example` covers shop.example too, as its 64 bits do. What has no name is compared by ID alone. */
function nameCovers(pattern: string, name: string): boolean {
  const asked = name.toLowerCase()
  if (asked === '' || RAW.test(asked) || RAW.test(pattern) || pattern === '*' || pattern === asked)
    return true
  return pattern.startsWith('*.') && `.${asked}`.endsWith(pattern.slice(1))
}
