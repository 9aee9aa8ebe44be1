import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { keyedName, parseServiceName, parseServicePattern, serviceIdOf } from '../../../src/id/name.ts'

/** The rule once more, by hand: SHA-256("serval " domain 0x00 text), cut. */
const hashed = (domain: string, text: string, bytes: number) =>
  createHash('sha256')
    .update(`serval ${domain}\0${text}`)
    .digest('hex')
    .slice(0, 2 * bytes)
const level1 = hashed('level 1', 'example', 4)
const level2 = hashed('level 2', 'shop.example', 4)
const zero = '00000000'

describe('a service name', () => {
  it('fills one level for each label, the third with all that is left', () => {
    expect(serviceIdOf('example').toString()).toBe(
      `x-${level1}${zero}${zero}${hashed('name', 'example', 20)}`,
    )
    expect(serviceIdOf('shop.example').toString()).toBe(
      `x-${level1}${level2}${zero}${hashed('name', 'shop.example', 20)}`,
    )
    for (const name of ['web.shop.example', 'a.web.shop.example', 'b.a.web.shop.example']) {
      expect(serviceIdOf(name).toString()).toBe(
        `x-${level1}${level2}${hashed('level 3', name, 4)}${hashed('name', name, 20)}`,
      )
    }
  })

  it('counts the parents into every level: equal labels elsewhere differ', () => {
    const here = serviceIdOf('web.shop.example').toBytes()
    const there = serviceIdOf('web.shop.org').toBytes()
    for (const level of [0, 4, 8]) {
      expect(here.subarray(level, level + 4)).not.toEqual(there.subarray(level, level + 4))
    }
  })

  it('is read in any case and kept in lower case', () => {
    const name = parseServiceName('Web.SHOP.example')
    expect(name.text).toBe('web.shop.example')
    expect(name.id.equals(serviceIdOf('web.shop.example'))).toBe(true)
  })

  it('may have letters, digits, hyphens and underscores, and 253 characters', () => {
    const longest = [63, 63, 63, 61].map(length => 'a'.repeat(length)).join('.')
    for (const name of ['a', '_sip._udp', '8080.localhost.inet', '8080.--1.inet', 'x-ray.example', longest]) {
      expect(parseServiceName(name).text).toBe(name)
    }
  })

  it('is refused if malformed, with the value and the accepted form', () => {
    const tooLong = [63, 63, 63, 62].map(length => 'a'.repeat(length)).join('.')
    for (const text of [
      '',
      '.',
      'a..b',
      '.a',
      'a.',
      'a b',
      'ä.example',
      'a/8',
      '*',
      '*.example',
      `${'a'.repeat(64)}.b`,
      tooLong,
    ]) {
      expect(() => parseServiceName(text), text).toThrow(
        expect.objectContaining({
          code: 'ESERVICENAME',
          message: `"${text}" is not a service name: labels of 1 to 63 letters, digits, - and _, joined by dots, 253 characters at most`,
        }),
      )
    }
  })

  it('may be a raw ID', () => {
    const raw = `0x${'AB'.repeat(32)}`
    expect(parseServiceName(raw).text).toBe(`x-${'ab'.repeat(32)}`)
    expect(() => parseServiceName(`${raw}0`)).toThrow('64 hex digits')
    expect(() => parseServiceName(`${raw}/8`)).toThrow('64 hex digits')
  })
})

describe('a self-certifying name', () => {
  const identity = Uint8Array.from({ length: 20 }, (_, i) => i * 13)

  it('has the identity of its key and the levels of the name behind it', () => {
    const keyed = keyedName('web.shop.example', identity)
    expect(keyed.text).toMatch(/^k-[a-z2-7]{32}\.web\.shop\.example$/)
    expect(keyed.identity).toEqual(identity)
    expect(keyed.id.toBytes().subarray(12)).toEqual(identity)
    expect(keyed.id.toBytes().subarray(0, 12)).toEqual(
      serviceIdOf('web.shop.example').toBytes().subarray(0, 12),
    )
    expect(parseServiceName(keyed.text.toUpperCase())).toEqual(keyed)
  })

  it('is refused if the key is mistyped: it must not turn into a name that anybody may serve', () => {
    for (const text of [
      'k-.example',
      'k-mart.example',
      `k-${'a'.repeat(31)}.example`,
      `k-${'1'.repeat(32)}.a`,
    ]) {
      expect(() => parseServiceName(text), text).toThrow('k- and 32 base32 characters')
    }
    expect(parseServiceName('web.k-mart.example').identity).toBeUndefined()
  })

  it('needs a name behind the key', () => {
    expect(() => parseServiceName(`k-${'a'.repeat(32)}`)).toThrow('stands before a name')
  })

  it('takes 20 bytes of identity', () => {
    expect(() => keyedName('example', new Uint8Array(19))).toThrow(RangeError)
  })
})

describe('a pattern of a rule', () => {
  it('is everything, a prefix of one or two levels, a name, or a raw prefix', () => {
    expect(parseServicePattern('*').bits).toBe(0)
    expect(parseServicePattern('*.example').toString()).toBe(`x-${level1.padEnd(64, '0')}/32`)
    expect(parseServicePattern('*.Shop.example').toString()).toBe(`x-${(level1 + level2).padEnd(64, '0')}/64`)
    expect(parseServicePattern('shop.example').toString()).toBe(serviceIdOf('shop.example').toString())
    expect(parseServicePattern(`x-${'ab'.repeat(32)}/12`).toString()).toBe(`x-${'aba'.padEnd(64, '0')}/12`)
  })

  it('contains the names below it, and the name itself', () => {
    const shop = parseServicePattern('*.shop.example')
    for (const name of ['shop.example', 'web.shop.example', 'a.b.c.shop.example']) {
      expect(shop.contains(serviceIdOf(name)), name).toBe(true)
    }
    expect(shop.contains(keyedName('web.shop.example', new Uint8Array(20)).id)).toBe(true)
    for (const name of ['example', 'web.example', 'shop.org']) {
      expect(shop.contains(serviceIdOf(name)), name).toBe(false)
    }
  })

  it('is refused where a level has no prefix of its own', () => {
    for (const text of ['*.web.shop.example', '*.', '*example', '**', '*.*.example', 'web.*', '*/8']) {
      expect(() => parseServicePattern(text), text).toThrow(expect.objectContaining({ code: 'ESERVICENAME' }))
    }
    expect(() => parseServicePattern('*.web.shop.example')).toThrow('*.example or *.shop.example')
  })
})

describe('the worked examples of the specification', () => {
  const specification = readFileSync(new URL('../../../src/wire/README.md', import.meta.url), 'utf8')
  const rows = [...specification.matchAll(/^\| `([^`]+)` \| `(x-[0-9a-f]{64}(?:\/\d+)?)` \|$/gm)]

  it('are there', () => {
    expect(rows.length).toBeGreaterThanOrEqual(6)
  })

  it('are what the code makes of them', () => {
    for (const [, text, id] of rows) expect(parseServicePattern(text!).toString(), text).toBe(id)
  })
})
