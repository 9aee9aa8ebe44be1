/**
 * What an instance takes of a service's packets. Most take streams alone, or datagrams; one that takes both may take another
 * share of each. The registration of an instance for a service is one, whatever number of listeners it is made of: who knows
 * nothing of protocols reads one weight and one priority, and sends it both.
 */
import type { Target } from '../service/rule.ts'
import type { Protocol } from '../wire/sal-header.ts'

/** As a target's (`service/rule.ts`). */
export interface Share {
  /** >= 0. */
  readonly weight: number
  /** The highest one with a live instance serves. */
  readonly priority: number
}

export interface ProtocolShare extends Share {
  readonly protocol: Protocol
}

/** Where `shares` say more than the one share: of these protocols alone, one share each. Never empty. */
export interface Shares extends Share {
  readonly shares?: readonly ProtocolShare[] | undefined
}

/** A share, and the protocol that it is of: undefined, of all. */
export type SomeShare = Share & Pick<Target, 'protocol'>

/** One by one. */
export function eachShare({ weight, priority, shares }: Shares): readonly SomeShare[] {
  return shares ?? [{ weight, priority }]
}

/** Of several listeners, one at least, as little as says it. Of two for one protocol the later counts. */
export function together(all: readonly SomeShare[]): Shares {
  const last = all.findLast(({ protocol }) => protocol === undefined)
  if (last !== undefined) return { weight: last.weight, priority: last.priority }
  const byProtocol = new Map<Protocol, ProtocolShare>()
  for (const { protocol, weight, priority } of all) {
    if (protocol !== undefined) byProtocol.set(protocol, { protocol, weight, priority })
  }
  const shares = [...byProtocol.values()].sort((a, b) => a.protocol - b.protocol)
  const { weight, priority } = shares[0]!
  return isOfAll(shares) ? { weight, priority } : { weight, priority, shares }
}

export function sameShares(a: Shares, b: Shares): boolean {
  const [all, others] = [eachShare(a), eachShare(b)]
  return (
    all.length === others.length &&
    all.every((share, i) => share.protocol === others[i]!.protocol && sameShare(share, others[i]!))
  )
}

/** Both protocols, and of both the same. */
function isOfAll([one, other]: readonly ProtocolShare[]): boolean {
  return one !== undefined && other !== undefined && sameShare(one, other)
}

function sameShare(a: Share, b: Share): boolean {
  return a.weight === b.weight && a.priority === b.priority
}
