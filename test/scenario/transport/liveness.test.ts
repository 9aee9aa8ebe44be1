import { describe } from 'vitest'
import { holds } from '../../support/transport/holds.ts'

describe('a silent peer', () => {
  holds(
    'is dead when it has owed an answer for deadPeerMs',
    `
    0     write 100
    0     > 0:100
    1025  > 0:100
    2025  > 0:100
    4050  > 0:100
    4999  signals
    5000  signals dead`,
    { deadPeerMs: 5_000 },
  )

  holds(
    'is not dead while it answers, though its window stays shut',
    `
    0     write 100
    1000  > probe
    1020  < win 0
    3000  > probe
    3020  < win 0
    7000  > probe
    7020  < win 0
    9000  signals`,
    { deadPeerMs: 5_000, window: 0 },
  )

  holds(
    'is not dead when it owes nothing',
    `
    0       write 100
    0       > 0:100
    20      < ack 100
    20      signals allAcknowledged
    999999  signals`,
    { deadPeerMs: 5_000 },
  )

  holds(
    'is asked for a sign of life after the keepalive interval, and is dead if it gives none',
    `
    0      keepalive 10000
    4000   < 0:10
    4025   > ack 10
    14000  > probe ack 10
    14001  <
    24001  > probe
    29000  signals readable
    29001  signals dead`,
    { deadPeerMs: 5_000 },
  )
})

describe('a stream without a way to its peer', () => {
  holds(
    'sends nothing, lets no timer run, and counts nothing against the peer',
    `
    0      write 2000
    0      > 0:1000
    0      > 1000:2000
    10     suspend
    10     next none
    90000  write 1000
    90000  signals
    90000  resume 20
    90000  > 0:1000
    90000  > 1000:2000
    90000  > 2000:3000
    90020  < ack 3000
    90020  signals allAcknowledged`,
    { deadPeerMs: 5_000 },
  )

  holds(
    'tells the peer where it stands when it is back',
    `
    0    <+ 0:1000
    0    <  1000:2000
    0    > ack 2000
    10   suspend
    20   < 2000:3000
    500  resume
    500  > ack 3000`,
  )
})

describe('a move to another path', () => {
  holds(
    'sends again what was in flight, and not what was SACKed, with a fresh window and RTT',
    `
    0    write 4000
    0    > 0:1000
    0    > 1000:2000
    0    > 2000:3000
    0    > 3000:4000
    20   < ack 1000 sack 2000-3000
    20   path 50
    20   > 1000:2000
    20   > 3000:4000
    20   cwnd 10000
    20   srtt 50
    20   flight 2000
    70   < ack 4000
    70   srtt 50
    70   cwnd 10000
    70   flight 0
    70   signals allAcknowledged
    70   next none`,
  )

  holds(
    'takes a late acknowledgement of the old copies, without an RTT from it',
    `
    0    write 2000
    0    > 0:1000
    0    > 1000:2000
    10   path
    10   > 0:1000
    10   > 1000:2000
    12   < ack 2000
    12   signals allAcknowledged
    12   srtt unknown`,
  )

  holds(
    'forgets the doubled time-out of the path that died',
    `
    0     write 1000
    0     > 0:1000
    1025  > 0:1000
    2025  > 0:1000
    4050  > 0:1000
    5000  path 20
    5000  > 0:1000
    5000  next 5065
    5065  > 0:1000        # the tail probe: two RTTs, and 25 ms that the peer may wait
    5125  > 0:1000`,
  )
})
