import { describe, expect, it } from 'vitest'
import { serviceIdOf } from '../../../src/id/name.ts'
import { COOKIE_BYTES, CookieJar, type CookieSubject, SECRET_MS } from '../../../src/security/cookie.ts'
import { Random } from '../../support/random.ts'

const subject: CookieSubject = {
  remote: { address: '10.0.0.7', port: 4000 },
  srcFlowId: 0x12345678,
  share: new Uint8Array(16).fill(3),
  serviceId: serviceIdOf('web.example'),
}

describe('a cookie', () => {
  it('is believed of the SYN that it was made for', () => {
    const jar = new CookieJar(new Random(1).bytes)
    const cookie = jar.make(subject, 1000)
    expect(cookie).toHaveLength(COOKIE_BYTES)
    expect(jar.holds(cookie, subject, 1020)).toBe(true)
  })

  it('is nothing to another address, port, flowID, nonce or service', () => {
    const jar = new CookieJar(new Random(1).bytes)
    const cookie = jar.make(subject, 1000)
    const others: CookieSubject[] = [
      { ...subject, remote: { address: '10.0.0.70', port: 4000 } },
      { ...subject, remote: { address: 'fd00::7', port: 4000 } },
      { ...subject, remote: { address: '10.0.0.7', port: 4001 } },
      { ...subject, srcFlowId: 0x12345679 },
      { ...subject, share: new Uint8Array(16).fill(4) },
      { ...subject, share: new Uint8Array(12).fill(3) },
      { ...subject, serviceId: serviceIdOf('api.example') },
    ]
    for (const other of others) expect(jar.holds(cookie, other, 1020), JSON.stringify(other)).toBe(false)
  })

  it('is believed for two minutes at least, and for four at most', () => {
    const jar = new CookieJar(new Random(1).bytes)
    const cookie = jar.make(subject, SECRET_MS - 1)
    expect(jar.holds(cookie, subject, 2 * SECRET_MS - 1)).toBe(true)
    expect(jar.holds(cookie, subject, 2 * SECRET_MS)).toBe(false)
    const early = jar.make(subject, 3 * SECRET_MS)
    expect(jar.holds(early, subject, 4 * SECRET_MS)).toBe(true)
    expect(jar.holds(early, subject, 300 * SECRET_MS)).toBe(false)
  })

  it('of another host, cut, longer, or with any bit changed is none', () => {
    const [jar, other] = [new CookieJar(new Random(1).bytes), new CookieJar(new Random(2).bytes)]
    const cookie = jar.make(subject, 1000)
    expect(jar.holds(other.make(subject, 1000), subject, 1000)).toBe(false)
    const long = new Uint8Array(COOKIE_BYTES + 1)
    long.set(cookie)
    for (const wrong of [cookie.subarray(1), cookie.subarray(0, -1), long, new Uint8Array(0)])
      expect(jar.holds(wrong, subject, 1000)).toBe(false)
    for (let bit = 0; bit < 8 * COOKIE_BYTES; bit++) {
      const changed = cookie.slice()
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(jar.holds(changed, subject, 1000), `bit ${bit}`).toBe(false)
    }
  })

  it('does not get younger by saying so', () => {
    const jar = new CookieJar(new Random(1).bytes)
    const cookie = jar.make(subject, SECRET_MS)
    for (const nowMs of [SECRET_MS, 2 * SECRET_MS]) {
      for (let generation = 0; generation < 256; generation++) {
        const claim = Uint8Array.of(generation, ...cookie.subarray(1))
        expect(jar.holds(claim, subject, nowMs), `${generation} at ${nowMs}`).toBe(generation === 1)
      }
    }
  })

  it('is not to be had by guessing before the first was made', () => {
    const jar = new CookieJar(new Random(1).bytes)
    expect(jar.holds(new Uint8Array(COOKIE_BYTES), subject, 0)).toBe(false)
  })
})
