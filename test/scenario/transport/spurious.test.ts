import { describe } from 'vitest'
import { holds } from '../../support/transport/holds.ts'

/** Six segments leave at 20 on a path of 20 ms, which then holds everything back until the time-out. */
const held = `
  0    write 1000
  0    > 0:1000
  20   < ack 1000
  20   write 6000
  20   >6 1000:7000
  60   > 6000:7000             # the tail probe
  120  > 1000:2000
  120  > 2000:3000
  120  cwnd 2000`

describe('a time-out for nothing (F-RTO, RFC 5682)', () => {
  holds(
    'is undone when old data arrives that was sent once',
    `${held}
    125  write 3000
    130  < ack 3000              # of the originals or of the repetitions?
    130  > 7000:8000
    130  > 8000:9000
    132  < ack 5000              # 3000 to 5000 were never sent again
    132  > 9000:10000
    132  cwnd 10000
    132  stats undone 1
    132  flight 5000
    150  < ack 10000
    150  stats retransmittedSegments 3
    150  next none`,
  )

  holds(
    'is undone by a SACK of old data as well',
    `${held}
    125  write 3000
    130  < ack 3000
    130  > 7000:8000
    130  > 8000:9000
    131  < ack 3000 sack 4000-5000
    131  > 9000:10000
    131  cwnd 10000
    131  stats undone 1
    136  > 3000:4000             # that one is lost all the same: a loss like any other
    136  stats lossEpisodes 1
    156  < ack 10000
    156  next none`,
  )

  holds(
    'was not for nothing when new data arrives past the hole',
    `${held}
    125  write 3000
    140  < ack 3000
    140  > 7000:8000
    140  > 8000:9000
    160  < ack 3000 sack 7000-9000
    160  > 3000:4000
    160  > 4000:5000
    160  > 5000:6000
    160  > 6000:7000
    160  stats undone 0
    180  < ack 9000
    180  > 9000:10000
    200  < ack 10000`,
  )

  holds(
    'sends no old data while it waits for the verdict',
    `${held}
    125  write 9000
    130  < ack 3000
    130  > 7000:8000
    130  > 8000:9000
    131  < win 90000             # says nothing of data
    132  < ack 3000 sack 7000-9000
    132  >4 3000:7000`,
  )

  holds(
    'is not looked into without new data to send: the old is sent again',
    `${held}
    130  < ack 3000
    130  > 3000:4000
    130  > 4000:5000
    130  > 5000:6000
    130  > 6000:7000
    150  < ack 7000
    150  stats undone 0
    150  next none`,
  )

  holds(
    'is not looked into without room for new data at the peer',
    `${held}
    125  write 3000
    130  < ack 3000 win 4000
    130  > 3000:4000
    130  > 4000:5000
    130  > 5000:6000
    130  > 6000:7000
    150  < ack 7000 win 4000
    150  >3 7000:10000`,
    { window: 6_000 },
  )

  holds(
    'cannot be told from a real one by an acknowledgement of everything, but by the DSACK behind it',
    `${held}
    130  < ack 7000
    131  < ack 7000 sack 6000-7000 dsack     # the tail probe
    131  stats undone 0
    150  < ack 7000 sack 1000-3000 dsack
    150  cwnd 10000
    150  stats undone 1`,
  )

  holds(
    'is not looked into again while the first is being recovered from',
    `${held}
    240  > 1000:2000             # doubled
    240  > 2000:3000
    245  write 3000
    250  < ack 3000
    250  > 3000:4000
    250  > 4000:5000
    250  > 5000:6000
    250  > 6000:7000
    270  < ack 7000
    270  >3 7000:10000
    270  stats undone 0`,
  )
})

describe('a loss that was none (DSACK, RFC 3708)', () => {
  const four = `
    0   write 1000
    0   > 0:1000
    20  < ack 1000
    20  write 4000
    20  >4 1000:5000`

  holds(
    'is undone when all that was sent again came twice',
    `${four}
    40  < ack 1000 sack 2000-5000
    40  > 1000:2000
    40  cwnd 2800
    42  < ack 5000               # it was only late
    42  cwnd 2800
    60  < ack 5000 sack 1000-2000 dsack
    60  cwnd 10000
    60  stats undone 1
    60  next none`,
  )

  holds(
    'is not undone when only a part of it came twice',
    `${four}
    40  < ack 1000 sack 4000-5000
    45  > 1000:2000
    65  < ack 2000 sack 4000-5000
    65  > 2000:3000
    65  > 3000:4000
    85  < ack 5000 sack 2000-3000 dsack
    85  stats undone 0`,
  )

  holds(
    'is undone once the last of it is known to have come twice',
    `${four}
    40  < ack 1000 sack 4000-5000
    45  > 1000:2000
    65  < ack 2000 sack 4000-5000
    65  > 2000:3000
    65  > 3000:4000
    66  < ack 5000 sack 1000-2000 dsack
    85  < ack 5000 sack 2000-3000 dsack
    85  stats undone 0
    86  < ack 5000 sack 3000-4000 dsack
    86  cwnd 10000
    86  stats undone 1`,
  )

  holds(
    'stays one on a network that makes copies of what was sent once',
    `${four}
    30  < ack 1000 sack 0-1000 dsack
    40  < ack 1000 sack 2000-5000
    40  > 1000:2000
    60  < ack 5000
    61  < ack 5000 sack 1000-2000 dsack
    61  cwnd 2800
    61  stats undone 0`,
  )

  holds(
    'leaves what was sent again for a move out of account',
    `${four}
    30  path 20
    30  >4 1000:5000
    50  < ack 5000 sack 1000-5000 dsack
    50  stats undone 0
    50  cwnd 10000`,
  )
})
