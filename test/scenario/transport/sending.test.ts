import { describe } from 'vitest'
import { holds } from '../../support/transport/holds.ts'

describe('sending', () => {
  holds(
    'cuts what is written into full segments and a rest, the last marked PSH',
    `
    0   write 2500
    0   > 0:1000 ack 0 no-push
    0   > 1000:2000 no-push
    0   > 2000:2500 push
    20  < ack 2500
    20  signals allAcknowledged
    20  srtt 20
    20  next none`,
  )

  holds(
    'begins with ten segments (RFC 6928) and adds what was acknowledged while the window is the limit',
    `
    0   write 14000
    0   > 0:1000
    0   > 1000:2000
    0   > 2000:3000
    0   > 3000:4000
    0   > 4000:5000
    0   > 5000:6000
    0   > 6000:7000
    0   > 7000:8000
    0   > 8000:9000
    0   > 9000:10000 no-push
    10  < ack 2000
    10  > 10000:11000
    10  > 11000:12000
    10  > 12000:13000
    10  > 13000:14000 push
    10  cwnd 12000`,
  )

  holds(
    'does not grow a window that was not the limit',
    `
    0   write 1000
    0   > 0:1000
    10  < ack 1000
    10  cwnd 10000`,
  )

  holds(
    'sends a small write at once by default',
    `
    0   write 1000
    0   > 0:1000
    1   write 10
    1   > 1000:1010 push
    2   write 10
    2   > 1010:1020 push
    9   < ack 1020`,
  )

  holds(
    "holds a small write back while data is out, under Nagle's algorithm",
    `
    0   nagle
    0   write 10
    0   > 0:10
    1   write 10
    2   write 10
    9   < ack 10
    9   > 10:30 push
    9   write 970
    10  write 10
    10  write 20
    10  > 30:1030
    19  < ack 1030`,
  )

  holds(
    "holds nothing back at the end, under Nagle's algorithm",
    `
    0   nagle
    0   write 10
    0   > 0:10
    1   write 10
    2   end
    2   > 10:20 push`,
  )

  holds(
    'gathers the writes of one turn, and acknowledges the whole',
    `
    0   write 400
    0   write 400
    0   write 400
    1   < win 5000
    1   > 0:1000
    1   > 1000:1200 push
    9   < ack 1200
    9   signals allAcknowledged`,
    { window: 0 },
  )

  holds(
    'says once that it can take more, when a full buffer has emptied enough',
    `
    0   write 1500
    0   > 0:1000
    0   > 1000:1500
    9   < ack 400
    9   signals
    9   < ack 600
    9   signals writable
    9   < ack 1500
    9   signals allAcknowledged`,
    { sendBufferBytes: 1_000 },
  )

  holds(
    'takes nothing more after the end',
    `
    0   write 100
    0   > 0:100 push
    0   end
    0   write 100
    9   < ack 100
    9   signals allAcknowledged`,
  )

  holds(
    'starts anew from ten segments after a pause longer than an RTO (RFC 5681 section 4.1)',
    `
    0     write 12000
    0     > 0:1000
    0     > 1000:2000
    0     > 2000:3000
    0     > 3000:4000
    0     > 4000:5000
    0     > 5000:6000
    0     > 6000:7000
    0     > 7000:8000
    0     > 8000:9000
    0     > 9000:10000
    10    < ack 10000
    10    > 10000:11000
    10    > 11000:12000
    10    cwnd 20000
    20    < ack 12000
    2000  write 1000
    2000  > 12000:13000
    2000  cwnd 10000`,
  )
})

describe('an acknowledgement', () => {
  holds(
    'of what was never sent is dropped and reported, with all its segment carries',
    `
    0   write 1000
    0   > 0:1000
    1   < 0:500 ack 1001
    1   signals badAck
    1   readable 0
    1   stats badAcknowledgements 1
    2   < 0:500 ack 1000 push
    2   signals readable allAcknowledged
    27  > ack 500`,
  )

  holds(
    'with a SACK range of what was never sent is dropped too',
    `
    0   write 2000
    0   > 0:1000
    0   > 1000:2000
    1   < ack 0 sack 1000-2001
    1   signals badAck
    1   flight 2000`,
  )

  holds(
    'that comes late says nothing new',
    `
    0   write 2000
    0   > 0:1000
    0   > 1000:2000
    1   < ack 2000
    1   signals allAcknowledged
    2   < ack 1000
    2   signals
    2   next none`,
  )

  holds(
    'in the middle of a segment is taken as it is',
    `
    0   write 2000
    0   > 0:1000
    0   > 1000:2000
    5   < ack 1500
    5   flight 500
    9   < ack 2000
    9   flight 0`,
  )

  holds(
    'with a SACK range that is no whole segment of ours SACKs nothing',
    `
    0   write 3000
    0   > 0:1000
    0   > 1000:2000
    0   > 2000:3000
    5   < ack 0 sack 1200-1900
    5   flight 3000
    5   < ack 0 sack 1200-3000
    5   flight 2000`,
  )
})
