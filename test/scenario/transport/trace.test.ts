import { describe, expect, it } from 'vitest'
import { traceFailure } from '../../support/transport/trace.ts'

const good = `
  0   write 1500
  0   > 0:1000 no-push
  0   > 1000:1500 push
  20  < ack 1500
  20  cwnd 10000`

describe('the script runner', () => {
  it('finds nothing wrong with a script that holds', () => {
    expect(traceFailure(good)).toBeUndefined()
  })

  it.each([
    ['a segment that was not sent', good.replace('20  <', '0 > 1500:1600\n20  <')],
    ['a segment that the script leaves out', good.replace('0   > 1000:1500 push', '')],
    ['a wrong range', good.replace('0:1000', '0:999')],
    ['a flag too many', good.replace('1000:1500 push', '1000:1500 push probe')],
    ['a missing PSH', good.replace('1000 no-push', '1000 push')],
    ['a wrong time', good.replace('0   > 1000:1500 push\n  20', '1   > 1000:1500 push\n  20')],
    ['a wrong value', good.replace('cwnd 10000', 'cwnd 1')],
    ['an unknown verb', `${good}\n20 wait`],
  ])('finds %s', (_what, script) => {
    expect(traceFailure(script)).toBeTypeOf('string')
  })
})
