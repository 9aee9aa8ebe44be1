/**
 * The parts that control messages are made of, to protocol buffer fields and back. Each `parse` bounds and
 * checks what it takes and throws the WireError that says what is wrong; `codec.ts` catches it.
 */
import { addressBytes, addressText } from '../id/address.ts'
import { SERVICE_ID_BITS, SERVICE_ID_BYTES, ServiceId } from '../id/service-id.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import { BALANCE_NAMES, type SharingPolicy } from '../service/balance/sharing.ts'
import { sharingProblem } from '../service/rule-check.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'
import { protocols } from '../wire/sal-header.ts'
import { controlErrors } from './control-error.ts'
import type { serval } from './generated/control.js'
import type {
  ControlRule,
  ControlRuleKey,
  InstanceId,
  NamedPrefix,
  RouterInfo,
  ServiceLoad,
} from './messages.ts'
import type { Share, Shares } from './shares.ts'

const PROTOCOLS = Object.values(protocols)

/** What a list in one message may hold. */
export const MAX_ENDPOINTS = 32
export const MAX_ROUTERS = 256
export const MAX_RULES = 4096

type Maybe<T> = T | null | undefined
type ServiceFields = serval.control.Service.$Properties
type EndpointFields = serval.control.Endpoint.$Properties
type RuleFields = serval.control.Rule.$Properties
type SharesFields = Pick<RuleFields, 'weight' | 'priority' | 'shares'>
type RuleKeyFields = serval.control.RuleKey.$Properties
type SharingFields = serval.control.Sharing.$Properties
type LoadFields = serval.control.ServiceLoad.$Properties
type RouterFields = serval.control.Router.$Properties

export function parseService(fields: Maybe<ServiceFields>): NamedPrefix {
  const { name, id, bits } = fields ?? {}
  if (id?.length !== SERVICE_ID_BYTES || (bits ?? 0) > SERVICE_ID_BITS) throw controlErrors.badService
  if (!SERVICE_NAME.test(name ?? '')) throw controlErrors.badName
  return { name: name ?? '', prefix: new ServicePrefix(ServiceId.fromBytes(id), bits ?? 0) }
}

export function emitService({ name, prefix }: NamedPrefix): ServiceFields {
  return { name, id: prefix.id.toBytes(), bits: prefix.bits }
}

export function parseEndpoints(list: Maybe<EndpointFields[]>): Endpoint[] {
  return parseList(list, MAX_ENDPOINTS, ({ address, port }) => {
    const isAddress = address?.length === 4 || address?.length === 16
    if (!isAddress || !port || port > 0xffff) throw controlErrors.badEndpoint
    return { address: addressText(address), port }
  })
}

/** RangeError for what is no IP address: names are resolved before they are announced. */
export function emitEndpoint(endpoint: Endpoint): EndpointFields {
  const address = addressBytes(endpoint.address)
  if (address === undefined) throw new RangeError(`${formatEndpoint(endpoint)} has no IP address`)
  return { address, port: endpoint.port }
}

export function parseRules(list: Maybe<RuleFields[]>): ControlRule[] {
  return parseList(list, MAX_RULES, ({ service, instance, endpoints, sharing, ...shares }) => {
    if (!endpoints?.length) throw controlErrors.badEndpoint
    const rule = {
      ...parseService(service),
      instance: parseInstance(instance),
      endpoints: parseEndpoints(endpoints),
      ...parseShares(shares),
    }
    return sharing ? { ...rule, sharing: parseSharing(sharing) } : rule
  })
}

export function emitRule(rule: ControlRule): RuleFields {
  const { endpoints, sharing } = rule
  return { ...emitRuleKey(rule), endpoints: endpoints.map(emitEndpoint), ...emitShares(rule), sharing }
}

/** A balancer of a later version is as none: the others of its options still hold. */
function parseSharing(fields: SharingFields): SharingPolicy {
  const { balance, toAll, slowStartMs, ejectAfter, spillAt, hedgeAt } = fields
  const known = BALANCE_NAMES.find(name => name === balance)
  const sharing: SharingPolicy = {
    ...(known && { balance: known }),
    ...(toAll && { toAll }),
    ...(slowStartMs && { slowStartMs }),
    ...(ejectAfter && { ejectAfter }),
    ...(spillAt && known && { spillAt }),
    ...(hedgeAt != null && { hedgeAt }),
  }
  if (sharingProblem(sharing) !== undefined) throw controlErrors.badSharing
  return sharing
}

export function parseRuleKeys(list: Maybe<RuleKeyFields[]>): ControlRuleKey[] {
  return parseList(list, MAX_RULES, ({ service, instance }) => {
    return { ...parseService(service), instance: parseInstance(instance) }
  })
}

export function emitRuleKey(key: ControlRuleKey): RuleKeyFields {
  return { service: emitService(key), instance: emitInstance(key.instance) }
}

export function parseRouters(list: Maybe<RouterFields[]>): RouterInfo[] {
  return parseList(list, MAX_ROUTERS, ({ instance, name, endpoints }) => {
    if (!endpoints?.length) throw controlErrors.badEndpoint
    return {
      instance: parseInstance(instance),
      name: parseText(name),
      endpoints: parseEndpoints(endpoints),
    }
  })
}

export function emitRouter({ instance, name, endpoints }: RouterInfo): RouterFields {
  return { instance: emitInstance(instance), name: clip(name), endpoints: endpoints.map(emitEndpoint) }
}

/** What an instance takes: of all protocols, or of some. */
export function parseShares({ weight, priority, shares: list }: SharesFields): Shares {
  const share = parseShare(weight, priority)
  if (!list?.length) return share
  const shares = parseList(list, PROTOCOLS.length, ({ protocol: number, ...fields }) => {
    const protocol = PROTOCOLS.find(known => known === number)
    if (protocol === undefined) throw controlErrors.badShare
    return { protocol, ...parseShare(fields.weight, fields.priority) }
  })
  if (new Set(shares.map(({ protocol }) => protocol)).size < shares.length) throw controlErrors.badShare
  return { ...share, shares }
}

export function emitShares({ weight, priority, shares }: Shares): SharesFields {
  return shares === undefined ? { weight, priority } : { weight, priority, shares: [...shares] }
}

/** What a rule's targets share the load by (service/rule.ts): a weight of 0 or more, any priority. */
function parseShare(weight: Maybe<number>, priority: Maybe<number>): Share {
  const share = { weight: weight ?? 0, priority: priority ?? 0 }
  const isShare = Number.isFinite(share.weight) && share.weight >= 0 && Number.isFinite(share.priority)
  if (!isShare) throw controlErrors.badNumber
  return share
}

export function parseLoads(list: Maybe<LoadFields[]>): ServiceLoad[] {
  return parseList(list, MAX_RULES, ({ service, instance, flows, load }) => {
    const isLoad = load == null || (load >= 0 && load <= 1)
    if (!isLoad) throw controlErrors.badLoad
    return {
      ...parseService(service),
      instance: parseKnown(instance),
      flows: flows ?? 0,
      load: load ?? undefined,
    }
  })
}

export function emitLoad({ instance, flows, load, ...service }: ServiceLoad): LoadFields {
  return {
    service: emitService(service),
    instance: emitKnown(instance),
    flows,
    ...(load !== undefined && { load }),
  }
}

export function parseInstance(bytes: Maybe<Uint8Array>): InstanceId {
  if (bytes?.length !== INSTANCE_BYTES) throw controlErrors.badInstance
  return instanceId(bytes)
}

/** The text of 16 bytes. */
export function instanceId(bytes: Uint8Array): InstanceId {
  let text = ''
  for (const byte of bytes) text += (byte < 16 ? '0' : '') + byte.toString(16)
  return text
}

export function emitInstance(instance: InstanceId): Uint8Array {
  return Uint8Array.from({ length: INSTANCE_BYTES }, (_, i) =>
    Number.parseInt(instance.slice(2 * i, 2 * i + 2), 16),
  )
}

/** An instance, or what is named like one, that may be left out. */
export function parseKnown(bytes: Maybe<Uint8Array>): InstanceId | undefined {
  return bytes?.length ? parseInstance(bytes) : undefined
}

export function emitKnown(instance: InstanceId | undefined): Uint8Array | undefined {
  return instance === undefined ? undefined : emitInstance(instance)
}

/** One of `choices`, by its number; those unknown here are refused. */
export function parseChoice<T>(choices: readonly (T | undefined)[], number: Maybe<number>): T {
  const choice = choices[number ?? 0]
  if (choice === undefined) throw controlErrors.badKind
  return choice
}

/** Text for people: it goes to terminals and logs, so control characters are refused. */
export function parseText(text: Maybe<string>): string {
  if ((text?.length ?? 0) > MAX_TEXT_CHARACTERS || CONTROL_CHARACTER.test(text ?? '')) {
    throw controlErrors.badText
  }
  return text ?? ''
}

/** As much of a text as `parseText` takes. */
export function clip(text: string): string {
  return text.replace(CONTROL_CHARACTERS, ' ').slice(0, MAX_TEXT_CHARACTERS)
}

function parseList<Fields, T>(list: Maybe<Fields[]>, max: number, parse: (fields: Fields) => T): T[] {
  if ((list?.length ?? 0) > max) throw controlErrors.tooMany
  return (list ?? []).map(parse)
}

export const INSTANCE_BYTES = 16
/** A name has at most 253 characters, a raw ID with its bits 70; nothing before its first use trusts it further. */
const SERVICE_NAME = /^[\x21-\x7e]{0,255}$/
const MAX_TEXT_CHARACTERS = 512
const CONTROL_CHARACTER = /\p{Cc}/u
const CONTROL_CHARACTERS = /\p{Cc}/gu
