/** What no entry of the service table can hold, whatever text or program it comes from. */
import { ServalError } from '../errors.ts'
import { addressBytes } from '../id/address.ts'
import { type Endpoint, formatEndpoint, sameEndpoint } from '../wire/endpoint.ts'
import { protocols } from '../wire/sal-header.ts'
import { BALANCE_NAMES, type SharingPolicy } from './balance/sharing.ts'
import { DEFAULT_PRIORITY, DEFAULT_WEIGHT, type Rule, type Target } from './rule.ts'
import { placesOf } from './target.ts'

/** Throws ERR_SERVAL_RULE, naming the value, for a rule that no entry can hold. Only then `quote` is asked for the rule. */
export function checkRule(rule: Rule, quote: () => string): void {
  const complain = (value: unknown, expected: string) =>
    new ServalError('ERR_SERVAL_RULE', { rule: quote(), value, expected })
  // REASON carries the text to clients, and the text form of a rule is a line.
  if (rule.type === 'DROP' && /\p{Cc}/u.test(rule.reason ?? '')) {
    throw complain(rule.reason, 'the reason of a DROP is one line of text')
  }
  if (rule.type !== 'FORWARD') return
  const { targets, sharing } = rule
  if (targets.length === 0) throw complain('', 'FORWARD takes one target or more')
  for (const { endpoint, weight = DEFAULT_WEIGHT, priority = DEFAULT_PRIORITY, protocol } of targets) {
    if (!(Number.isFinite(weight) && weight >= 0)) throw complain(weight, 'a weight is a number, 0 or more')
    if (!Number.isFinite(priority)) throw complain(priority, 'a priority is a number')
    if (protocol !== undefined && !PROTOCOLS.includes(protocol)) {
      throw complain(protocol, 'a target takes protocol 6, streams, or 17, datagrams, or both')
    }
    const problem = targetProblem(endpoint)
    if (problem !== undefined) throw complain(formatEndpoint(endpoint), problem)
  }
  const twice = targets.length === 1 ? undefined : repeated(targets)
  if (twice !== undefined) throw complain(formatEndpoint(twice), 'a rule names each target once')
  if (sharing !== undefined) checkSharing(sharing, quote)
}

/** Throws ERR_SERVAL_RULE for what no balancer can do. Only then `quote` is asked for the rule. */
export function checkSharing(sharing: SharingPolicy, quote: () => string): void {
  const [value, expected] = sharingProblem(sharing) ?? []
  if (expected !== undefined) throw new ServalError('ERR_SERVAL_RULE', { rule: quote(), value, expected })
}

/** Throws ERR_SERVAL_RULE for what nobody can say of a process from outside: a loop, as below, or a listener of its program. */
export function checkByHand(rule: Rule, own: readonly Endpoint[], quote: () => string): void {
  checkNoLoop(rule, own, quote)
  if (rule.type !== 'DEMUX') return
  const expected = 'it is set by the program that listens, not by hand'
  throw new ServalError('ERR_SERVAL_RULE', { rule: quote(), value: rule.type, expected })
}

/** Throws ERR_SERVAL_RULE if a rule forwards to one of the endpoints `own`: packets would go round and round. */
export function checkNoLoop(rule: Rule, own: readonly Endpoint[], quote: () => string): void {
  if (rule.type !== 'FORWARD') return
  const loop = rule.targets.find(target => own.some(endpoint => sameEndpoint(endpoint, target.endpoint)))
  if (loop === undefined) return
  throw new ServalError('ERR_SERVAL_RULE', {
    rule: quote(),
    value: formatEndpoint(loop.endpoint),
    expected: 'this is its own address, and a rule that forwards to oneself is a loop',
  })
}

/** The endpoint of the first that overlaps an earlier one. */
function repeated(targets: readonly Target[]): Endpoint | undefined {
  const seen = new Set<string>()
  return targets.find(target => placesOf(target).some(place => seen.size === seen.add(place).size))?.endpoint
}

/** Why nothing can be sent to an endpoint as a target; undefined: something can. */
export function targetProblem({ address, port }: Endpoint): string | undefined {
  if (!(Number.isInteger(port) && port > 0 && port <= 0xffff)) return 'a target has a port, 1 to 65535'
  const bytes = addressBytes(address)
  if (bytes === undefined) return 'a target is an IP address'
  // RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.2.
  if (bytes.every(byte => byte === 0)) return 'the unspecified address is no target'
  // RFC 4007 section 6: without its interface it may be anybody's.
  if (bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80 && !address.includes('%')) {
    return 'a link-local target says its interface, as in [fe80::1%eth0]:5000'
  }
  // RFC 5771 and RFC 919, RFC 4291 section 2.7. All instances are reached by all their own addresses.
  if (bytes[0] === 0xff || (bytes.length === 4 && bytes[0]! >= 224)) {
    return 'a multicast or broadcast address is no target; to=all sends to all targets'
  }
  return undefined
}

/** The value that no balancer can take, and what it can. */
export function sharingProblem(policy: SharingPolicy): [value: unknown, expected: string] | undefined {
  const { balance = 'random', slowStartMs, ejectAfter, spillAt, hedgeAt } = policy
  if (!BALANCE_NAMES.includes(balance)) return [balance, `balance is one of ${BALANCE_NAMES.join(', ')}`]
  if (slowStartMs !== undefined && !(slowStartMs > 0 && slowStartMs <= MAX_SLOW_START_MS)) {
    return [slowStartMs, 'a slow start takes over 0 ms and no more than an hour']
  }
  if (slowStartMs !== undefined && balance === 'maglev') {
    return ['maglev', 'maglev keeps who goes where, and knows no slow start']
  }
  if (ejectAfter !== undefined && !(Number.isInteger(ejectAfter) && ejectAfter > 0)) {
    return [ejectAfter, 'a target is ejected after 1 failure in a row, or more']
  }
  if (hedgeAt !== undefined && !(hedgeAt >= 0 && hedgeAt < 1)) {
    return [hedgeAt, 'a hedge is a share of answers from 0, off, to below 1']
  }
  if (spillAt === undefined) return undefined
  if (balance !== 'locality') return [balance, 'only locality spills over']
  return spillAt > 0 && spillAt < 1
    ? undefined
    : [spillAt, 'the mark to spill over at is above 0 and below 1']
}

const PROTOCOLS: readonly number[] = Object.values(protocols)
const MAX_SLOW_START_MS = 3_600_000
