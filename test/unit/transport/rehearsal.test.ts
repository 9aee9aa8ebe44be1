/** That what holds offsets is, to V8, of one shape however far a stream has come: the code compiled for it stays good. */
import { setFlagsFromString } from 'node:v8'
import { describe, expect, it } from 'vitest'
import { FlowReader } from '../../../src/sockets/flow-reader.ts'
import { FlowWriter } from '../../../src/sockets/flow-writer.ts'
import { DeliveryRate } from '../../../src/transport/delivery-rate.ts'
import { rehearse } from '../../../src/transport/rehearsal.ts'
import { StreamStats } from '../../../src/transport/stream-stats.ts'

setFlagsFromString('--allow-natives-syntax')
const haveSameShape = new Function('a', 'b', 'return %HaveSameMap(a, b)') as (a: object, b: object) => boolean

/** Whether what is made at the beginning of a stream is of one shape before and after one has come so far. */
function keepsItsShape(makeAt: (offset: number) => object): boolean {
  const before = makeAt(0)
  makeAt(2 ** 40)
  return haveSameShape(before, makeAt(0))
}

class Unrehearsed {
  offset = 0
  constructor(offset: number) {
    this.offset = offset
  }
}

const makers: Record<string, (offset: number) => object> = {
  DeliveryRate: offset => Object.assign(new DeliveryRate(), { totalDeliveredBytes: offset }),
  StreamStats: offset => Object.assign(new StreamStats(), { bytesIn: offset, bytesOut: offset }),
  FlowReader: offset =>
    Object.assign(new FlowReader({} as never, undefined, undefined), { bytesRead: offset }),
  FlowWriter: offset => Object.assign(new FlowWriter(), { bytesSent: offset }),
}

describe('after the rehearsal', () => {
  rehearse()

  it.each(Object.entries(makers))(
    '%s keeps its shape when offsets outgrow small integers',
    (_name, makeAt) => {
      expect(keepsItsShape(makeAt)).toBe(true)
    },
  )

  it('what was not rehearsed would be found', () => {
    expect(keepsItsShape(offset => new Unrehearsed(offset))).toBe(false)
  })
})
