import { describe } from 'vitest'
import { holds } from '../../support/transport/holds.ts'

/** Four segments leave at 0, with an RTT of 20 ms known from a first one. */
const four = `
  0   write 1000
  0   > 0:1000
  20  < ack 1000
  20  srtt 20
  20  write 4000
  20  > 1000:2000
  20  > 2000:3000
  20  > 3000:4000
  20  > 4000:5000`

describe('RACK', () => {
  holds(
    'sends a segment again at once when three behind it have arrived',
    `${four}
    40  < ack 1000 sack 2000-5000
    40  > 1000:2000
    40  stats lossEpisodes 1
    60  < ack 5000
    60  next none`,
  )

  holds(
    'waits a quarter of the RTT for reordering when fewer have arrived (RFC 8985 section 6.2)',
    `${four}
    40  < ack 1000 sack 4000-5000
    45  > 1000:2000       # one, and more as more arrives (PRR)
    45  flight 1000
    60  < ack 5000`,
  )

  holds(
    'sends nothing again when the missing segment comes within the wait',
    `${four}
    40  < ack 1000 sack 2000-3000
    44  < ack 5000
    44  stats retransmittedSegments 0
    44  cwnd 10000`,
  )

  holds(
    'shrinks the window once for all that was lost of one flight',
    `${four}
    40  < ack 1000 sack 4000-5000
    45  > 1000:2000
    45  cwnd 2800
    65  < ack 2000 sack 4000-5000
    65  > 2000:3000
    65  > 3000:4000
    66  < ack 5000
    66  stats lossEpisodes 1`,
  )

  holds(
    'notices that a repeated segment was lost as well, from what was sent after it',
    `${four}
    40  < ack 1000 sack 2000-5000
    40  > 1000:2000
    41  write 1000
    41  > 5000:6000
    61  < ack 1000 sack 2000-6000
    61  > 1000:2000
    81  < ack 6000`,
  )

  holds(
    'waits longer for reordering once a DSACK has shown that it was too quick',
    `${four}
    40  < ack 1000 sack 3000-4000
    45  > 1000:2000
    46  < ack 5000
    50  < ack 5000 sack 1000-2000 dsack
    60  write 2000
    60  > 5000:6000
    60  > 6000:7000
    80  < ack 5000 sack 6000-7000
    90  > 5000:6000
    95  < ack 7000`,
  )
})

describe('the tail probe', () => {
  holds(
    'repeats the last segment after two RTTs (RFC 8985 section 7), and repairs what was lost before it',
    `${four}
    60  > 4000:5000
    60  stats tailProbes 1
    80  < ack 1000 sack 4000-5000
    80  > 1000:2000
    99  < ack 2000 sack 4000-5000
    99  > 2000:3000
    99  > 3000:4000
    99  < ack 5000
    99  stats timeouts 0`,
  )

  holds(
    'allows for a delayed acknowledgement of less than two segments',
    `
    0    write 1000
    0    > 0:1000
    20   < ack 1000
    20   write 1000
    20   > 1000:2000
    85   > 1000:2000
    105  < ack 2000 sack 1000-2000 dsack
    105  stats lossEpisodes 0
    105  cwnd 10000`,
  )

  holds(
    'is new data where there is some that the congestion window holds back',
    `
    0    write 11000
    0    > 0:1000
    0    > 1000:2000
    0    > 2000:3000
    0    > 3000:4000
    0    > 4000:5000
    0    > 5000:6000
    0    > 6000:7000
    0    > 7000:8000
    0    > 8000:9000
    0    > 9000:10000
    1000 > 10000:11000
    1020 < ack 11000
    1020 cwnd 21000`,
  )

  holds(
    'that repaired a loss shrinks the window when later data is acknowledged',
    `${four}
    60  > 4000:5000
    80  < ack 5000
    80  cwnd 10000
    80  write 1000
    80  > 5000:6000
    99  < ack 6000
    99  stats lossEpisodes 0
    99  cwnd 2000`,
  )
})

describe('the retransmission time-out', () => {
  holds(
    'is a second at first, and the window two segments after it',
    `
    0     write 4000
    0     > 0:1000
    0     > 1000:2000
    0     > 2000:3000
    0     > 3000:4000
    1000  > 3000:4000       # the tail probe
    2000  > 0:1000
    2000  > 1000:2000
    2000  cwnd 2000
    2000  stats timeouts 1
    2020  < ack 2000
    2020  > 2000:3000
    2020  > 3000:4000
    2040  < ack 4000
    2040  next none`,
  )

  holds(
    'doubles while nothing is heard (RFC 6298 (5.5)), and is forgotten with the first answer',
    `
    0     write 1000
    0     > 0:1000
    1025  > 0:1000
    2025  > 0:1000
    4050  > 0:1000
    8075  > 0:1000
    8095  < ack 1000
    8095  next none
    8095  write 1000
    8095  > 1000:2000
    9120  > 1000:2000`,
  )

  holds(
    'is 25 ms at least',
    `
    0   write 1000
    0   > 0:1000
    1   < ack 1000
    1   write 1000
    1   > 1000:2000
    1   srtt 1
    36  > 1000:2000     # probe: 10 ms, and 25 ms that the peer may wait
    61  > 1000:2000`,
  )

  holds(
    'does not measure RTTs from repeated segments (Karn)',
    `
    0     write 1000
    0     > 0:1000
    20    < ack 1000
    20    write 1000
    20    > 1000:2000
    85    > 1000:2000
    145   > 1000:2000
    200   < ack 2000
    200   srtt 20`,
  )

  holds(
    'sends everything again that a peer SACKed and then dropped (RFC 2018 section 8)',
    `${four}
    40   < ack 1000 sack 2000-5000
    40   > 1000:2000
    60   < ack 2000           # but it has thrown away what it had SACKed
    135  > 2000:3000
    135  > 3000:4000
    155  < ack 4000
    155  > 4000:5000
    175  < ack 5000`,
  )
})
