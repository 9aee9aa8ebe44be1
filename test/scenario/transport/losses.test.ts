import { describe } from 'vitest'
import { holds } from '../../support/transport/holds.ts'

/** Five segments leave at 20, with an RTT of 20 ms known from a first one. */
const five = `
  0   write 1000
  0   > 0:1000
  20  < ack 1000
  20  write 5000
  20  >5 1000:6000`

describe('of a flight of five, the loss', () => {
  holds(
    'of the first is found by the SACK of three',
    `${five}
    40  < ack 1000 sack 2000-5000
    40  > 1000:2000
    60  < ack 6000
    60  stats retransmittedSegments 1
    60  next none`,
  )

  holds(
    'of the second likewise',
    `${five}
    40  < ack 2000 sack 3000-6000
    40  > 2000:3000
    60  < ack 6000
    60  stats retransmittedSegments 1`,
  )

  holds(
    'of the third after a quarter of the RTT: only two are behind it',
    `${five}
    40  < ack 3000 sack 4000-6000
    45  > 3000:4000
    65  < ack 6000
    65  stats retransmittedSegments 1`,
  )

  holds(
    'of the fourth likewise',
    `${five}
    40  < ack 4000 sack 5000-6000
    45  > 4000:5000
    65  < ack 6000
    65  stats retransmittedSegments 1`,
  )

  holds(
    'of the last by the tail probe, which repairs it; the window shrinks when that is known',
    `${five}
    40   < ack 5000
    105  > 5000:6000           # two RTTs, and 25 ms that the peer may wait: it is alone
    125  < ack 6000
    125  stats timeouts 0
    125  write 1000
    125  > 6000:7000
    145  < ack 7000
    145  cwnd 2000`,
  )

  holds(
    'of the first and the third is repaired in one recovery',
    `${five}
    40  < ack 1000 sack 2000-3000 4000-6000
    40  > 1000:2000
    40  > 3000:4000
    60  < ack 6000
    60  stats lossEpisodes 1`,
  )

  holds(
    'of all but the last is found when the last is SACKed',
    `${five}
    40  < ack 1000 sack 5000-6000
    45  > 1000:2000
    65  < ack 2000 sack 5000-6000
    65  > 2000:3000
    65  > 3000:4000
    65  > 4000:5000
    85  < ack 6000
    85  stats timeouts 0`,
  )

  holds(
    'of all is found by the tail probe, and none waits for the time-out',
    `${five}
    60  > 5000:6000
    80  < ack 1000 sack 5000-6000
    80  > 1000:2000
    100 < ack 2000 sack 5000-6000
    100 > 2000:3000
    100 > 3000:4000
    100 > 4000:5000
    120 < ack 6000
    120 stats timeouts 0`,
  )

  holds(
    'of all that is written bit by bit is not put off by what is written since (RFC 6298 (5.1), RFC 8985 section 7.2)',
    `
    0   write 1000
    0   > 0:1000
    20  < ack 1000
    20  write 100
    20  > 1000:1100       # time-out at 20 + 60 + 25, probe at 85
    50  write 100
    50  > 1100:1200       # probe at 115, were it not for the time-out
    80  write 100
    80  > 1200:1300
    105 > 1200:1300
    105 stats tailProbes 1
    120 write 100
    120 > 1300:1400
    165 > 1000:1400
    165 stats timeouts 1`,
  )

  holds(
    'of all and of the probe waits for the time-out',
    `${five}
    60  > 5000:6000
    120 > 1000:2000
    120 > 2000:3000
    140 < ack 3000
    140 >3 3000:6000
    160 < ack 6000
    160 stats timeouts 1`,
  )

  holds(
    'of a repetition is found from what was sent after it, not by the time-out',
    `${five}
    40  < ack 1000 sack 2000-6000
    40  > 1000:2000
    42  write 2000
    42  >2 6000:8000
    62  < ack 1000 sack 2000-8000
    62  > 1000:2000
    82  < ack 8000
    82  stats timeouts 0
    82  stats retransmittedSegments 2`,
  )

  holds(
    'of a repetition with nothing sent after it waits for the time-out',
    `${five}
    40  < ack 1000 sack 2000-6000
    40  > 1000:2000
    115 > 1000:2000           # 40 + 50, and 25 ms that the peer may wait
    135 < ack 6000
    135 stats timeouts 1`,
  )
})

describe('acknowledgements', () => {
  holds(
    'that are lost but for the last one are not missed',
    `${five}
    41  < ack 6000
    41  next none
    41  stats retransmittedSegments 0`,
  )

  holds(
    'that are all lost are drawn again by the tail probe, which costs nothing',
    `${five}
    60  > 5000:6000
    80  < ack 6000 sack 5000-6000 dsack
    80  cwnd 10000
    80  stats lossEpisodes 0
    80  next none`,
  )

  holds(
    'of a stretch let as much leave as they tell of',
    `
    0   write 30000
    0   >10 0:10000
    1   < ack 10000
    1   >20 10000:30000`,
  )

  holds(
    'of half a segment each let whole segments leave (RFC 3465: bytes count, not packets)',
    `
    0   write 13000
    0   >10 0:10000
    20  < ack 500
    20  > 10000:11000
    21  < ack 1000
    21  > 11000:12000
    22  < ack 1500
    22  > 12000:13000
    22  cwnd 11500`,
  )

  holds(
    'with SACK let new data leave before a loss is known (as limited transmit, RFC 3042; and what arrived counts)',
    `
    0   write 14000
    0   >10 0:10000
    20  < ack 0 sack 1000-2000
    20  >2 10000:12000
    21  < ack 0 sack 1000-3000
    21  >2 12000:14000
    22  < ack 10000
    22  stats retransmittedSegments 0`,
  )

  holds(
    'that come in the wrong order take nothing back',
    `${five}
    40  < ack 4000
    41  < ack 2000 sack 3000-4000
    41  flight 2000
    42  < ack 6000
    42  next none`,
  )

  holds(
    'of a SACK that reaches below the cumulative one count what is above it',
    `${five}
    40  < ack 3000 sack 2000-4000
    40  flight 2000
    45  < ack 6000`,
  )

  holds(
    'that come twice say nothing twice',
    `${five}
    40  < ack 1000 sack 3000-4000
    41  < ack 1000 sack 3000-4000
    42  < ack 1000 sack 3000-4000
    42  flight 4000
    44  < ack 6000
    44  stats retransmittedSegments 0`,
  )
})

describe('reordering', () => {
  holds(
    'that was seen once is allowed for, though three are SACKed behind the hole',
    `${five}
    40  < ack 1000 sack 2000-3000
    41  < ack 3000               # late, and not lost: reordering
    42  < ack 6000
    50  write 5000
    50  >5 6000:11000
    70  < ack 6000 sack 7000-10000
    74  < ack 11000
    74  stats retransmittedSegments 0`,
  )

  holds(
    'by more than a quarter of the RTT is taken for loss until a DSACK tells',
    `${five}
    40  < ack 1000 sack 4000-6000
    45  > 1000:2000
    46  < ack 6000
    66  < ack 6000 sack 1000-2000 dsack
    66  stats undone 1
    66  cwnd 10000`,
  )
})

describe('a window', () => {
  holds(
    'that shrinks is not obeyed for what was admitted, and nothing breaks',
    `
    0   write 3000
    0   >2 0:2000
    10  < ack 1000 win 200
    11  < ack 2000 win 1000
    11  > 2000:3000
    30  < ack 3000`,
    { window: 2_000 },
  )

  holds(
    'that opens by crumbs is not used by crumbs, but by the segment',
    `
    0   write 3000
    0   > 0:1000
    20  < ack 1000 win 100
    21  < ack 1000 win 300
    22  < ack 1000 win 400
    23  < ack 1000 win 1000
    23  > 1000:2000
    43  < ack 2000 win 1000
    43  > 2000:3000 push`,
    { window: 1_000 },
  )

  holds(
    'that is shut stops repetitions no more than the first sending: they are within it',
    `
    0   write 2000
    0   >2 0:2000
    20  < ack 0 win 2000 sack 1000-2000
    25  > 0:1000
    45  < ack 2000 win 0`,
    { window: 2_000 },
  )
})

describe('a path that was idle', () => {
  holds(
    'for less than a time-out keeps its window',
    `
    0     write 10000
    0     >10 0:10000
    10    < ack 10000
    20    write 15000
    20    >10 10000:20000
    20    cwnd 10000`,
  )

  holds(
    'for long is not one that has lost: no probe, no time-out',
    `
    0      write 1000
    0      > 0:1000
    20     < ack 1000
    20     next none
    90000  write 1000
    90000  > 1000:2000
    90020  < ack 2000
    90020  stats timeouts 0`,
  )
})
