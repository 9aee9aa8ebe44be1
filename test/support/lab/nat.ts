/**
 * Network address translation in a namespace that forwards (nftables): hosts of a subnet are seen by others at one address,
 * and nothing comes in but answers to what they have sent, from where it was sent to ("address and port-dependent filtering",
 * RFC 4787 section 5).
 */
import { execFileSync, spawnSync } from 'node:child_process'
import type { Namespace } from './namespace.ts'

/**
 * Which port a host's port becomes (RFC 4787 section 4.1): `kept`, the same one whomever it sends to; `each`, another for each
 * place that it sends to, as with NATs that are called symmetric.
 */
export type NatPorts = 'kept' | 'each'

/** Why there can be none here; undefined: there can. */
export function natLack(): string | undefined {
  return spawnSync('nft', ['--version']).status === 0 ? undefined : 'needs nft(8)'
}

export interface NatOptions {
  readonly ports: NatPorts
  /** After so long without a packet it has forgotten who has sent to whom. Default: the kernel's, 30 to 120. */
  readonly patienceSeconds?: number
}

/** Has `namespace` translate what comes from `subnet`, like `10.0.0.0/24`, to others into `address`, which becomes its own. */
export function translate(
  namespace: Namespace,
  subnet: string,
  address: string,
  { ports, patienceSeconds }: NatOptions,
): void {
  if (patienceSeconds !== undefined) {
    for (const kind of ['', '_stream']) {
      namespace.sysctl(`net.netfilter.nf_conntrack_udp_timeout${kind}`, patienceSeconds)
    }
  }
  namespace.ip('addr', 'add', `${address}/32`, 'dev', 'lo')
  const choice = ports === 'each' ? 'fully-random' : ''
  const rules = `
    table ip nat {
      chain out {
        type nat hook postrouting priority srcnat
        ip saddr ${subnet} ip daddr != ${subnet} snat to ${address} ${choice}
      }
      chain in {
        type filter hook forward priority filter
        ip daddr ${subnet} ct state new drop
      }
    }`
  execFileSync(...namespace.command('nft', '-f', '-'), { input: rules })
}

/** Resolves when it has forgotten everybody. */
export async function forgotten(namespace: Namespace): Promise<void> {
  // What is too old goes when somebody looks.
  const look = namespace.command('cat', '/proc/net/nf_conntrack')
  while (execFileSync(...look).includes('udp')) await new Promise(resolve => setTimeout(resolve, LOOK_MS))
}

const LOOK_MS = 100
