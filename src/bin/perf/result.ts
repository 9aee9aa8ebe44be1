/** The result of a transfer, as JSON and as words. */
import { count, formatBitsPerSecond, formatBytes } from '../units.ts'
import type { TransferResult } from './transfer.ts'

export function resultView({ bytes, seconds, mismatches, sender }: TransferResult) {
  return { bytes, seconds, bitsPerSecond: bitsPerSecond(bytes, seconds), mismatches, ...sender }
}

/** `1.18 GB in 10.0 s, 943 Mbit/s, no retransmits`. */
export function describeResult({ bytes, seconds, mismatches, sender }: TransferResult): string {
  const rate = formatBitsPerSecond(bitsPerSecond(bytes, seconds) / 8)
  const facts = [
    `${formatBytes(bytes)} in ${seconds.toFixed(1)} s`,
    rate,
    count(sender.retransmits, 'retransmit'),
  ]
  if (mismatches > 0) facts.push(`${mismatches} parts WRONG`)
  return facts.join(', ')
}

/** 0 where nothing came, or all at once. */
export function bitsPerSecond(bytes: number, seconds: number): number {
  return seconds > 0 ? (8 * bytes) / seconds : 0
}
