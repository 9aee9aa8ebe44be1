import { describe } from 'vitest'
import { holds } from '../../support/transport/holds.ts'

/** Ten segments are acknowledged together after 20 ms: the window is 20, and all of it is free. */
const freed = `
  0    write 60000
  0    >10 0:10000
  20   < ack 10000`

describe('pacing', () => {
  holds(
    'lets ten segments go at once, and the rest at twice the window a round trip in slow start',
    `${freed}
    20    >10 10000:20000
    20    next 21                # 2 segments a millisecond
    21    >2 20000:22000
    22    >2 22000:24000
    23    >2 24000:26000
    24    >2 26000:28000
    25    >2 28000:30000
    25    cwnd 20000             # and here the window ends
    25    flight 20000`,
  )

  holds(
    'lets a late timer catch up, but not by more than ten segments',
    `${freed}
    20    >10 10000:20000
    20    suspend
    26    resume 20
    26    >10 10000:20000`,
  )

  holds(
    'is 1.2 windows a round trip behind the first loss',
    `${freed}
    20    >10 10000:20000
    21    >2 20000:22000
    22    >2 22000:24000
    23    >2 24000:26000
    24    >2 26000:28000
    25    >2 28000:30000
    40    < ack 10000 sack 11000-30000
    40    > 10000:11000
    40    >9 30000:39000
    40    cwnd 14000
    41.16 > 39000:40000
    42.31 > 40000:41000`,
  )

  holds(
    'leaves a path alone that is shorter than timers can tick',
    `
    0    write 60000
    0    >10 0:10000
    1    < ack 10000
    1    >20 10000:30000
    2    < ack 30000
    2    >30 30000:60000`,
  )

  holds(
    'leaves the first window alone, before any round trip is known',
    `
    0    write 10000
    0    >10 0:10000`,
  )

  holds(
    'lets retransmissions wait their turn too, but not the first',
    `${freed}
    20    >10 10000:20000
    21    >2 20000:22000
    22    >2 22000:24000
    23    >2 24000:26000
    24    >2 26000:28000
    25    >2 28000:30000
    40    < ack 10000 sack 27000-30000
    40    >3 10000:13000         # PRR: what has arrived
    40    flight 3000`,
  )

  holds(
    'has no part in an acknowledgement',
    `${freed}
    20    >10 10000:20000
    20.2  <+ 0:1000
    20.2  <  1000:2000
    20.2  > ack 2000`,
  )
})
