import { describe, expect, it } from 'vitest'
import { eachShare, sameShares, together } from '../../../src/control/shares.ts'
import { protocols } from '../../../src/wire/sal-header.ts'

const { STREAM, DATAGRAM } = protocols
const one = { weight: 1, priority: 1 }
const stream = { ...one, protocol: STREAM }
const datagram = { ...one, protocol: DATAGRAM }

describe('the shares of an instance', () => {
  it('of one listener are of what that takes', () => {
    expect(together([stream])).toEqual({ ...one, shares: [stream] })
    expect(together([{ ...datagram, weight: 3 }])).toEqual({
      weight: 3,
      priority: 1,
      shares: [{ ...datagram, weight: 3 }],
    })
  })

  it('of listeners of both kinds need no more than one share where that is the same', () => {
    expect(together([datagram, stream])).toEqual(one)
  })

  it('of listeners of both kinds are told apart where they differ, in one order', () => {
    const shares = [
      { ...stream, weight: 2 },
      { ...datagram, priority: 0 },
    ]
    expect(together(shares)).toEqual({ weight: 2, priority: 1, shares })
    expect(together(shares.toReversed())).toEqual(together(shares))
  })

  it('are of all where a listener takes all', () => {
    expect(together([stream, { weight: 5, priority: 2 }, datagram])).toEqual({ weight: 5, priority: 2 })
  })

  it('take the later word of two for one protocol', () => {
    expect(together([stream, { ...stream, weight: 7 }])).toMatchObject({ shares: [{ weight: 7 }] })
  })

  it('are told one by one, and compared so', () => {
    expect(eachShare(one)).toEqual([one])
    expect(eachShare(together([stream]))).toEqual([stream])
    const all = [
      one,
      { ...one, weight: 2 },
      together([stream]),
      together([datagram]),
      together([{ ...stream, weight: 2 }, datagram]),
    ]
    for (const a of all) for (const b of all) expect(sameShares(a, b)).toBe(a === b)
    expect(sameShares(together([stream]), together([stream]))).toBe(true)
  })
})
