/**
 * The captured exchanges of the original, each end in turn played by ours (test/vectors/annotated.md). Where the original
 * goes wrong (two lost RSYN-ACKs, a lost third ACK) ours does what is said beside the test.
 */
import { expect, it } from 'vitest'
import { type ReplayOptions, replay, withoutRepeats } from '../../support/replay-2014.ts'

/** Our end sends the control packets that the original end sent, in that order, with those numbers; data as it likes. */
function holds(name: string, options: ReplayOptions): void {
  it(name, () => {
    const { expected, played, read, peerStream } = replay(options)
    expect(played).toEqual(expected)
    expect(Buffer.from(read).equals(peerStream)).toBe(true)
  })
}

/** The same where packets were lost: what is repeated may be repeated more or less often. */
function holdsDespiteLoss(name: string, options: ReplayOptions): void {
  it(name, () => {
    const { expected, played, read, peerStream } = replay(options)
    expect(withoutRepeats(played)).toEqual(withoutRepeats(expected))
    expect(Buffer.from(read).equals(peerStream)).toBe(true)
  })
}

holds('a client of a stream, closed by the server', { file: 'a_tcp', own: ['10.77.1.1'] })
holds('a server of a stream that closes first', { file: 'a_tcp', own: ['10.77.1.2'] })
holds('a client whose SYN goes to all hosts', { file: 'a2_broadcast_syn', own: ['10.77.1.1'] })
holds('a server that a SYN to all hosts reaches', { file: 'a2_broadcast_syn', own: ['10.77.1.2'] })
holds('a server of connected datagrams that closes first', { file: 'c_udp_connected', own: ['10.77.1.2'] })
holds('a client of connected datagrams, whose server is silent for a second', {
  file: 'c_udp_connected',
  own: ['10.77.1.1'],
  crossed: [10],
})
holds('the end that moves', { file: 'd_migrate', own: ['10.77.1.1', '10.77.2.1'] })
holds('the end whose peer moves', { file: 'd_migrate', own: ['10.77.1.2'] })
holds('a server behind two routers', { file: 'e2_two_routers_at_server', own: ['10.77.8.2'] })
holds('a client behind a router', { file: 'e_service_router', own: ['10.77.3.1'], isPassing: true, to: 36 })
holds('a server behind a router', {
  file: 'e_service_router',
  own: ['10.77.4.2'],
  isPassing: true,
  from: 2,
  to: 36,
})
holds('a client behind two routers', { file: 'e2_two_routers_at_R', own: ['10.77.3.1'], isPassing: true })
holds('a client whose SYN was delayed', { file: 'h_delay', own: ['10.77.1.1'] })
holds('a server whose client was delayed', { file: 'h_delay', own: ['10.77.1.2'] })
holds('an end whose peer moves, and which then moves itself', {
  file: 'd2_migrate_simultaneous',
  own: ['10.77.1.2', '10.77.2.2'],
})
holds('a server that is reset', { file: 'g_rst', own: ['10.77.1.2'], from: 3, to: 87 })
holds('a server whose SYN-ACK is lost', { file: 'l2_lost_synack', own: ['10.77.5.2'] })
holds('an end that moves, whose first RSYN is lost', {
  file: 'l3_lost_rsyn',
  own: ['10.77.5.1', '10.77.6.1'],
})
holds('an end whose peer moves after a lost RSYN', { file: 'l3_lost_rsyn', own: ['10.77.5.2'] })
holds('an end that misses the ACK of its RSYN-ACK', { file: 'l5_lost_rsyn_final_ack', own: ['10.77.5.2'] })
holdsDespiteLoss('a client whose SYN-ACK is lost', {
  file: 'l2_lost_synack',
  own: ['10.77.5.1'],
  without: [2],
})
holdsDespiteLoss('an end that moves and misses the first RSYN-ACK', {
  file: 'l4_lost_rsynack',
  own: ['10.77.5.1', '10.77.6.1'],
  without: [18],
})
holdsDespiteLoss('an end that moves, whose ACK of RSYN-ACK is lost', {
  file: 'l5_lost_rsyn_final_ack',
  own: ['10.77.5.1', '10.77.6.1'],
})
holdsDespiteLoss('a client whose FIN is lost', { file: 'l8_lost_fin', own: ['10.77.5.1'] })
holds('a client whose last ACK is lost, and whose server is gone', {
  file: 'l9_lost_finack',
  own: ['10.77.5.1'],
  without: [14],
})
holds('a server that misses the first FIN', { file: 'l8_lost_fin', own: ['10.77.5.2'] })

it('a client that resets', () => {
  const { expected, played } = replay({ file: 'g_rst', own: ['10.77.1.1'], from: 3, to: 87 })
  expect(played).toEqual(expected)
})

it('both ends move at once: the same numbers, and unlike the original its own new address is used too', () => {
  const { expected, played } = replay({ file: 'd2_sim_at_A', own: ['10.77.5.1', '10.77.6.1'] })
  const withoutAddresses = (line: string) => line.replace(/^\S+ > \S+ /, '')
  expect(played.map(withoutAddresses)).toEqual(expected.map(withoutAddresses))
})

it('both ends move at once, seen from the other one', () => {
  const { expected, played } = replay({ file: 'd2_sim_at_B', own: ['10.77.5.2', '10.77.6.2'] })
  const withoutAddresses = (line: string) => line.replace(/^\S+ > \S+ /, '')
  expect(played.map(withoutAddresses)).toEqual(expected.map(withoutAddresses))
})

it('an end that moves, whose peer then moves: unlike the original it answers from its new address', () => {
  const { expected, played } = replay({ file: 'd2_migrate_simultaneous', own: ['10.77.1.1', '10.77.2.1'] })
  expect(played).toEqual(expected.map(line => line.replace('10.77.1.1 > 10.77.2.2', '10.77.2.1 > 10.77.2.2')))
})

it('a server whose last ACK is lost: unlike the original, which has forgotten all, it says it again for each FIN', () => {
  const { expected, played, read, peerStream } = replay({ file: 'l9_lost_finack', own: ['10.77.5.2'] })
  const ours = played.slice(expected.length)
  expect(played.slice(0, expected.length)).toEqual(expected)
  expect(ours).toHaveLength(3)
  for (const line of ours)
    expect(line).toMatch(/^10.77.5.2 > 10.77.5.1 27>10 p6 ACK verno 3724968981 ackno 838580968 /)
  expect(Buffer.from(read).equals(peerStream)).toBe(true)
})

it('a client whose third ACK is lost says it again', () => {
  const { played, sal } = replay({ file: 'l1_lost_third_ack', own: ['10.77.5.1'] })
  const flags = played.map(line => line.split(' ')[5])
  expect(flags.slice(0, 3)).toEqual(['SYN', 'ACK', 'ACK'])
  expect(withoutRepeats(played)).toHaveLength(2)
  expect(sal.flows.size).toBe(1)
})

// Where the original answers a repeated RSYN with a plain ACK (packet 21), and its peer has lost what it then waits for.
holdsDespiteLoss('a repeated RSYN is answered with RSYN-ACK again', {
  file: 'l4_lost_rsynack',
  own: ['10.77.5.2'],
  without: [21],
})
holdsDespiteLoss('an end whose RSYN-ACKs are all lost, and which ends in the midst of that', {
  file: 'l6_all_rsynack_lost',
  own: ['10.77.5.2'],
  without: [21],
})
holdsDespiteLoss('an end whose first two RSYN-ACKs are lost', {
  file: 'l7_two_rsynack_lost',
  own: ['10.77.5.2'],
  without: [21],
  to: 68,
})

it('a server that misses the third ACK says no more, and forgets the SYN', () => {
  const { expected, played, sal } = replay({ file: 'l1_lost_third_ack', own: ['10.77.5.2'] })
  expect(played).toEqual(expected)
  expect(played).toHaveLength(1)
  expect(sal.flows.size).toBe(0)
})

it('an end that moves goes on with a new number where its peer says ACK and no more', () => {
  const { played, flow } = replay({
    file: 'l7_two_rsynack_lost',
    own: ['10.77.5.1', '10.77.6.1'],
    without: [18, 19],
    to: 37,
  })
  const numbers = played
    .filter(line => line.includes('RSYN'))
    .map(line => line.split(' ').slice(5, 8).join(' '))
  expect(withoutRepeats(numbers)).toEqual(['RSYN verno 2346342357', 'RSYN verno 2346342358'])
  expect(flow?.migrationState).toBe('RSYN_SENT')
})
