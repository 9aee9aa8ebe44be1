/** Where a benchmark runs: two hosts that see each other, and programs on them. */
import type { Program } from '../../test/support/lab/program.ts'
import type { Impairment } from './delay-line.ts'

export type Side = 'left' | 'right'

export interface Place {
  readonly name: 'veth' | 'loopback'
  /** The left side has two, so that it can move. */
  readonly addresses: { readonly left: readonly [string, string]; readonly right: string }
  /** Starts a program of bench/peers on a side. */
  start(side: Side, program: string, args: readonly string[], env?: Readonly<Record<string, string>>): Program
  /** Takes an address of the left side away, and gives it back. */
  deleteAddress(address: string): void
  addAddress(address: string): void
  /** Another such place whose cable delays, loses and limits; it closes with this one. */
  impaired(impairment: Impairment): Promise<Place>
  /** Which congestion control the kernel's TCP uses from left to right, for connections to come. */
  setTcpAlgorithm(name: string): void
  close(): void
}
