/** What the system tells of raw sockets: the table of proc(5), as Linux writes it. */
import { expect, it } from 'vitest'
import { countReceivers } from '../../../src/net/links/raw-sockets.ts'

const HEADER =
  '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops'
const ICMP =
  '    1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 31 2 0 0'
const SENDER =
  '  255: 0101140A:00FF 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 42 2 0 0'
const RECEIVER =
  '  144: 00000000:0090 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 43 2 0 0'
const BOUND =
  '  144: 0101140A:0090 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 44 2 0 0'

it.each([
  ['nobody', [], 0],
  ['senders, and receivers of other protocols', [ICMP, SENDER], 0],
  ['one receiver', [ICMP, RECEIVER, SENDER], 1],
  ['a receiver of all addresses, and one of one address', [RECEIVER, BOUND], 2],
] as const)('counts receivers of protocol 144: %s', (_name, lines, count) => {
  expect(countReceivers([HEADER, ...lines, ''].join('\n'))).toBe(count)
})
