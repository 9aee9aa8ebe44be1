/** The same stream behind the other profile's header: 32 bits, which wrap at 1,500 here, no SACK and no probe flag. */
import { describe } from 'vitest'
import { tcpSegment } from '../../../src/wire/tcp-header.ts'
import { holds } from '../../support/transport/holds.ts'

const header2014 = { codec: tcpSegment, receiveBufferBytes: 60_000, delayedAckMs: 25 }

describe('behind the 2014 header', () => {
  holds(
    'data is sent and acknowledged across the wrap of 32 bits',
    `
    0    write 3000
    0    > 0:1000 no-push
    0    > 1000:2000 no-push
    0    > 2000:3000 push
    20   < ack 2000
    21   < ack 3000
    21   signals allAcknowledged
    21   next none`,
    header2014,
  )

  holds(
    'data is received and acknowledged',
    `
    0    <+ 0:1000
    0    <  1000:2000
    0    > ack 2000
    1    < 2000:3000 push
    26   > ack 3000
    26   readable 3000`,
    header2014,
  )

  holds(
    'a gap is answered at once, and filled',
    `
    0    < 1000:2000 push
    0    > ack 0
    1    < 0:1000
    1    > ack 2000
    1    readable 2000`,
    header2014,
  )

  holds(
    'a lost tail is probed for',
    `
    0    write 1000
    0    > 0:1000
    20   < ack 1000
    20   write 2000
    20   > 1000:2000
    20   > 2000:3000
    60   > 2000:3000
    80   < ack 3000`,
    header2014,
  )

  holds(
    'a loss is repaired by the time-out, twice the segment at a time',
    `
    0    write 1000
    0    > 0:1000
    20   < ack 1000
    20   write 3000
    20   >3 1000:4000
    60   > 3000:4000           # the tail probe
    120  > 1000:2000
    120  > 2000:3000
    140  < ack 4000
    140  stats timeouts 1
    140  next none`,
    header2014,
  )

  holds(
    'three duplicate acknowledgements show a loss, and more let new data go (RFC 5681)',
    `
    0    write 1000
    0    > 0:1000
    20   < ack 1000
    20   write 8000
    20   >8 1000:9000
    40   < ack 1000            # 2000:3000 has come, 1000:2000 has not
    40   < ack 1000
    40   < ack 1000
    40   > 1000:2000
    40   < ack 1000
    60   < ack 9000
    60   stats timeouts 0
    60   stats lossEpisodes 1
    60   next none`,
    header2014,
  )

  holds(
    'a second loss of a flight is shown by the partial acknowledgement (RFC 6582)',
    `
    0    write 1000
    0    > 0:1000
    20   < ack 1000
    20   write 8000
    20   >8 1000:9000
    40   < ack 1000            # 1000:2000 and 4000:5000 are lost
    40   < ack 1000
    40   < ack 1000
    40   > 1000:2000
    60   < ack 4000
    60   > 4000:5000
    80   < ack 9000
    80   stats timeouts 0
    80   stats lossEpisodes 1
    80   next none`,
    header2014,
  )

  holds(
    'every segment out of order is worth an acknowledgement of its own',
    `
    0    <+ 1000:2000
    0    <+ 3000:4000
    0    <  5000:6000
    0    > ack 0
    0    > ack 0
    0    > ack 0
    1    < 0:1000
    1    > ack 2000
    1    readable 2000`,
    header2014,
  )

  holds(
    'the end of the stream takes a number, and goes with the last data',
    `
    0    nagle
    0    write 1000
    0    > 0:1000
    1    write 500
    1    end
    1    > 1000:1500 fin
    20   < ack 1501
    20   signals allAcknowledged
    20   next none`,
    header2014,
  )

  holds(
    'an end behind nothing goes by itself, and is repeated',
    `
    0    write 1000
    0    > 0:1000
    20   < ack 1000
    20   end
    20   > fin
    85   > fin                 # the tail probe
    100  < ack 1001
    100  next none`,
    header2014,
  )

  holds(
    "the peer's end is acknowledged with its number, once all before it is here",
    `
    0    < 1000:2000 fin
    0    > ack 0
    5    < 0:1000
    5    > ack 2001
    5    signals readable end
    6    < 1000:2000 fin       # again
    6    > ack 2001`,
    header2014,
  )
})
