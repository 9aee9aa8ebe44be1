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
    8075  > 0:100
    16000 > probe         # a quarter of the time has passed: it is asked, and asked again
    16100 > 0:100
    20000 > probe
    24000 > probe
    28000 > probe
    32000 > probe
    32125 > 0:100
    36000 > probe
    40000 > probe
    44000 > probe
    48000 > probe
    52000 > probe
    56000 > probe
    60000 > probe
    63999 signals
    64000 signals dead`,
    { deadPeerMs: 64_000 },
  )

  holds(
    'that gives a sign of life need not wait for the doubled time-out',
    `
    0     write 100
    0     > 0:100
    1025  > 0:100
    2025  > 0:100
    4050  > 0:100
    8075  > 0:100
    16000 > probe
    16020 < ack 0
    16100 signals
    17020 > 0:100
    17040 < ack 100
    17040 signals allAcknowledged
    17040 next none`,
    { deadPeerMs: 64_000 },
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
    15000 > probe
    15020 < win 0
    25000 > probe         # every 10 s at least
    25020 < win 0
    35000 > probe
    35020 < win 0
    45000 > probe
    45020 < win 0
    46000 signals`,
    { deadPeerMs: 44_000, window: 0 },
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
    'is asked for a sign of life after the keepalive interval, and again if it gives none',
    `
    0      keepalive 10000
    4000   < 0:10 push
    4025   > ack 10
    14000  > probe ack 10
    14001  <
    24001  > probe
    34001  > probe
    40001  > probe       # 16 s after the first that was not answered, every 4 s
    44001  > probe
    48001  > probe
    48010  <
    48010  signals readable
    58010  > probe`,
    { deadPeerMs: 64_000 },
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
