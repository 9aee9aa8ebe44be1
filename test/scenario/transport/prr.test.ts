import { describe } from 'vitest'
import { holds } from '../../support/transport/holds.ts'

/** A path so short that nothing is paced, and ten segments out on it: 1000 to 11000. */
const ten = `
  0    write 1000
  0    > 0:1000
  1    < ack 1000
  1    write 10000
  1    >10 1000:11000`

/** Twenty segments out: 11000 to 31000. */
const twenty = `${ten}
  1.5  write 40000
  2    < ack 11000
  2    >20 11000:31000
  2    cwnd 20000`

describe('proportional rate reduction (RFC 9937)', () => {
  holds(
    'sends seven segments for ten that arrive, while more than ssthresh is in flight',
    `${twenty}
    3    < ack 11000 sack 12000-15000
    3    > 11000:12000          # 3 of 20 have arrived: 2.1 segments
    3    > 31000:32000
    3    cwnd 14000
    3    flight 18000
    3.1  < ack 11000 sack 12000-16000    # 4: 2.8
    3.2  < ack 11000 sack 12000-17000    # 5: 3.5
    3.2  > 32000:33000
    3.3  < ack 11000 sack 12000-18000    # 6: 4.2
    3.3  > 33000:34000
    3.4  < ack 11000 sack 12000-20000    # 8: 5.6, and a batch is as good as one by one
    3.4  > 34000:35000
    3.5  < ack 11000 sack 12000-22000    # 14 are in flight: ssthresh
    3.5  flight 14000
    3.6  < ack 11000 sack 12000-24000
    3.6  > 35000:36000
    3.6  > 36000:37000
    3.6  flight 14000`,
  )

  holds(
    'brings what is in flight down to ssthresh by the end of the recovery',
    `${twenty}
    3    < ack 11000 sack 12000-15000
    3    > 11000:12000
    3    > 31000:32000
    3.4  < ack 11000 sack 12000-31000
    3.4  >12 32000:44000
    3.4  flight 14000
    4    < ack 31000
    4    > 44000:45000
    4    flight 14000
    4    cwnd 14000`,
  )

  holds(
    'sends what arrives and no more when less than ssthresh is in flight and losses go on (PRR-CRB)',
    `${twenty}
    3    < ack 11000 sack 24000-27000
    3    >3 11000:14000         # 13 are lost
    3    flight 7000
    3.2  < ack 11000 sack 24000-29000
    3.2  > 14000:15000
    3.2  > 15000:16000
    3.2  flight 7000`,
  )

  holds(
    'repeats at once what was lost, though all of the window is still in flight',
    `${twenty}
    3    < ack 12000 sack 13000-16000
    3    > 12000:13000
    3    > 31000:32000
    3    flight 17000`,
  )

  holds(
    'leaves it at the window when there is nothing to approach',
    `
    0    write 3000
    0    >3 0:3000
    1    < ack 0 sack 1000-3000
    1.25 > 0:1000
    1.25 cwnd 2100
    2    < ack 3000
    2    next none`,
  )
})
