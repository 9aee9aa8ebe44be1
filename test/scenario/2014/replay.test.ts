/**
 * The captured exchanges of the original, each end in turn played by ours (test/vectors/annotated.md). Not
 * played: ends that would have to repeat what the original gets wrong (two lost RSYN-ACKs, a lost third ACK).
 */
import { expect, it } from 'vitest'
import { type ReplayOptions, replay } from '../../support/replay-2014.ts'

/** Our end sends the control packets that the original end sent, in that order, with those numbers; data as it likes. */
function holds(name: string, options: ReplayOptions): void {
  it(name, () => {
    const { expected, played, read, peerStream } = replay(options)
    expect(played).toEqual(expected)
    expect(Buffer.from(read).equals(peerStream)).toBe(true)
  })
}

holds('a client of a stream, closed by the server', { file: 'a_tcp', own: ['10.77.1.1'] })
holds('a server of a stream that closes first', { file: 'a_tcp', own: ['10.77.1.2'] })
holds('a client whose SYN goes to all hosts', { file: 'a2_broadcast_syn', own: ['10.77.1.1'] })
holds('a server of connected datagrams that closes first', { file: 'c_udp_connected', own: ['10.77.1.2'] })
holds('the end that moves', { file: 'd_migrate', own: ['10.77.1.1', '10.77.2.1'] })
holds('the end whose peer moves', { file: 'd_migrate', own: ['10.77.1.2'] })
holds('a server behind two routers', { file: 'e2_two_routers_at_server', own: ['10.77.8.2'] })
holds('a server that is reset', { file: 'g_rst', own: ['10.77.1.2'], from: 3, to: 87 })
holds('a server whose SYN-ACK is lost', { file: 'l2_lost_synack', own: ['10.77.5.2'] })
holds('an end that moves, whose first RSYN is lost', {
  file: 'l3_lost_rsyn',
  own: ['10.77.5.1', '10.77.6.1'],
})
holds('an end whose peer moves after a lost RSYN', { file: 'l3_lost_rsyn', own: ['10.77.5.2'] })
holds('an end that misses the ACK of its RSYN-ACK', { file: 'l5_lost_rsyn_final_ack', own: ['10.77.5.2'] })
holds('a server that misses the first FIN', { file: 'l8_lost_fin', own: ['10.77.5.2'] })
holds('a server whose last ACK is lost', { file: 'l9_lost_finack', own: ['10.77.5.2'] })

it('a client that resets', () => {
  const { expected, played } = replay({ file: 'g_rst', own: ['10.77.1.1'], from: 3, to: 87 })
  expect(played).toEqual(expected)
})

it('both ends move at once: the same numbers, and unlike the original its own new address is used too', () => {
  const { expected, played } = replay({ file: 'd2_sim_at_A', own: ['10.77.5.1', '10.77.6.1'] })
  const withoutAddresses = (line: string) => line.replace(/^\S+ > \S+ /, '')
  expect(played.map(withoutAddresses)).toEqual(expected.map(withoutAddresses))
})
