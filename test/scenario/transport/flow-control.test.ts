import { describe } from 'vitest'
import { holds } from '../../support/transport/holds.ts'

describe("the peer's window", () => {
  holds(
    'stops the sender, and lets it go on',
    `
    0   write 3000
    0   > 0:1000
    0   > 1000:2000
    9   < ack 2000 win 0
    15  < ack 2000 win 5000
    15  > 2000:3000 push`,
    { window: 2000 },
  )

  holds(
    'that is shut is asked about, ever less often (RFC 9293 section 3.8.6.1)',
    `
    0     write 1000
    1000  > probe
    1001  < win 0
    3000  > probe
    3001  < win 0
    7000  > probe
    7001  < win 1000
    7001  > 0:1000 push
    7001  stats windowProbes 3`,
    { window: 0 },
  )

  holds(
    'is asked about when all that was in flight is acknowledged, not before',
    `
    0    write 2000
    0    > 0:1000
    20   < ack 1000 win 0
    80   > probe
    90   < ack 1000 win 1000
    90   > 1000:2000 push`,
    { window: 1000 },
  )

  holds(
    'does not make silly little segments (RFC 9293 section 3.8.6.2.1)',
    `
    0    write 8000
    0    > 0:1000
    0    > 1000:2000
    0    > 2000:3000
    0    > 3000:4000
    20   < ack 4000 win 300
    30   < ack 4000 win 1000
    30   > 4000:5000
    40   < ack 5000 win 2500
    40   > 5000:6000
    40   > 6000:7000`,
    { window: 4000 },
  )

  holds(
    'is used little as it is when it stays so',
    `
    0    write 8000
    0    > 0:1000
    0    > 1000:2000
    0    > 2000:3000
    0    > 3000:4000
    20   < ack 4000 win 300
    80   > 4000:4300`,
    { window: 4000 },
  )

  holds(
    'of less than a segment is used when it is half of all the peer has',
    `
    0    write 1000
    0    > 0:400
    10   < ack 400 win 400
    10   > 400:800
    20   < ack 800 win 400
    20   > 800:1000 push`,
    { window: 400 },
  )

  holds(
    'is not taken back',
    `
    0    write 2000
    0    > 0:1000
    0    > 1000:2000
    9    < ack 1000 win 0
    9    write 1000
    19   < ack 2000 win 1000
    19   > 2000:3000`,
    { window: 2000 },
  )
})
