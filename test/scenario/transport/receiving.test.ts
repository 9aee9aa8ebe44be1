import { describe } from 'vitest'
import { holds } from '../../support/transport/holds.ts'

describe('receiving', () => {
  holds(
    'acknowledges one segment after 25 ms',
    `
    0   < 0:1000 push
    0   signals readable
    0   readable 1000
    25  > ack 1000`,
  )

  holds(
    'acknowledges a segment soon that the peer has more behind, but may not send',
    `
    0   < 0:1000
    1   > ack 1000
    9   < 1000:2000
    9.5 < 2000:3000
    9.5 > ack 3000
    20  < 3000:4000 push
    25  < 4000:5000
    25  > ack 5000`,
  )

  holds(
    'acknowledges two full segments at once',
    `
    0   < 0:1000 push
    1   < 1000:2000
    1   > ack 2000`,
  )

  holds(
    'acknowledges a whole datagram of segments once',
    `
    0   <+ 0:1000
    0   <+ 1000:2000
    0   <+ 2000:3000
    0   <+ 3000:4000
    0   <  4000:4100
    0   > ack 4100
    0   readable 4100`,
  )

  holds(
    'lets data carry the acknowledgement',
    `
    0   < 0:1000 push
    5   write 10
    5   > 0:10 ack 1000
    60  < ack 10`,
  )

  holds(
    'tells at once of a gap, newest range first',
    `
    0   < 1000:2000
    0   > ack 0 sack 1000-2000
    1   < 3000:4000
    1   > ack 0 sack 3000-4000 1000-2000
    2   < 5000:6000
    2   > ack 0 sack 5000-6000 3000-4000 1000-2000
    3   < 2000:3000
    3   > ack 0 sack 1000-4000 5000-6000
    4   signals
    4   < 0:1000
    4   > ack 4000 sack 5000-6000
    4   signals readable
    4   readable 4000
    5   < 4000:5000
    5   > ack 6000`,
  )

  holds(
    'sends SACK ranges in a packet of their own, and the data behind it',
    `
    0   < 1000:2000
    0   > ack 0 sack 1000-2000
    1   write 1000
    1   > 0:1000 ack 0
    2   <+ 3000:4000 ack 1000
    2   <  3000:4000
    2   > ack 0 sack 3000-4000 3000-4000 1000-2000 dsack`,
  )

  holds(
    'tells of what came twice (RFC 2883), once',
    `
    0   <+ 0:1000
    0   <  1000:2000
    0   > ack 2000
    5   < 0:1000
    5   > ack 2000 sack 0-1000 dsack
    6   < 1500:2500
    6   > ack 2500 sack 1500-2000 dsack
    9   <+ 2500:3500
    9   <  3500:4500
    9   > ack 4500`,
  )

  holds(
    'takes a probe as a question, and what it carries as padding',
    `
    0   < 0:500 probe
    0   > ack 0
    0   readable 0`,
  )

  holds(
    'sees the end when every byte before it is here',
    `
    0   < 1000:1500
    0   > ack 0 sack 1000-1500
    1   final 1500
    1   signals
    2   < 0:1000
    2   > ack 1500
    2   signals readable end
    2   final 1500
    2   signals`,
  )

  holds(
    'sees the end of an empty stream, and of one that is here already',
    `
    0   final 0
    0   signals end`,
  )

  holds(
    'finds an end that contradicts an earlier one, or what was received',
    `
    0   < 1000:1500
    0   > ack 0 sack 1000-1500
    0   final 1400 conflict
    0   final 1600
    0   final 1500 conflict
    0   < 1500:1700
    0   > ack 0 sack 1000-1600`,
  )
})

describe('silence', () => {
  holds(
    'of a peer that has more to send is answered, for it may be sending to where we no longer are',
    `
    0     <+ 0:1000
    0     <  1000:2000
    0     > ack 2000
    200   > ack 2000
    600   > ack 2000
    1400  > ack 2000
    1500  < 2000:3000
    1501  > ack 3000
    1700  > ack 3000
    1800  < 3000:3100 push
    1825  > ack 3100
    9999  readable 3100`,
  )

  holds(
    'is answered six times at most, ever less often',
    `
    0     <+ 0:1000
    0     <  1000:2000
    0     > ack 2000
    200   > ack 2000
    600   > ack 2000
    1400  > ack 2000
    3000  > ack 2000
    6200  > ack 2000
    12600 > ack 2000
    99999 readable 2000`,
  )

  holds(
    'is what remains at the end',
    `
    0     < 0:1000
    0     final 1000
    1     > ack 1000
    999   next none`,
  )
})

describe('the receive window', () => {
  const small = { receiveBufferBytes: 4_000 }

  holds(
    'shrinks by what is not read, and its right edge never moves back',
    `
    0   <+ 0:1000
    0   <  1000:2000
    0   > ack 2000 win 2000
    1   <+ 2000:3000
    1   <  3000:4000
    1   > ack 4000 win 0
    1   readable 4000`,
    small,
  )

  holds(
    'drops what is beyond it, and says so',
    `
    0   <+ 0:1000
    0   <+ 1000:2000
    0   <+ 2000:3000
    0   <+ 3000:4000
    0   <  4000:5000
    0   > ack 4000 win 0
    0   readable 4000
    1   < 4000:5000
    1   > ack 4000 win 0
    2   < 9000:9500
    2   > ack 4000 win 0`,
    small,
  )

  holds(
    'opens with a packet of its own when the reader has made room',
    `
    0   <+ 0:1000
    0   <+ 1000:2000
    0   <+ 2000:3000
    0   <  3000:4000
    0   > ack 4000 win 0
    9   read
    9   > ack 4000 win 4000`,
    small,
  )

  holds(
    'answers a window probe, so that a lost update is asked for again',
    `
    0    <+ 0:2000
    0    <  2000:4000 push
    0    > ack 4000 win 0
    9    read
    9    > ack 4000 win 4000     # lost
    200  < probe
    200  > ack 4000 win 4000`,
    small,
  )
})
