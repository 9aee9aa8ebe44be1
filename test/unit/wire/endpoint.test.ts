import { describe, expect, it } from 'vitest'
import {
  endpoint,
  endpointFamily,
  formatEndpoint,
  parseEndpoint,
  sameEndpoint,
} from '../../../src/wire/endpoint.ts'

describe('an end point', () => {
  it('is read with or without a port', () => {
    for (const [text, address, port] of [
      ['10.0.0.1:80', '10.0.0.1', 80],
      ['10.0.0.1', '10.0.0.1', 54325],
      ['[fd00::7]:80', 'fd00::7', 80],
      ['[FD00:0::7]', 'fd00::7', 54325],
      ['fd00::7', 'fd00::7', 54325],
      ['[fe80::1%eth0]:80', 'fe80::1%eth0', 80],
      ['Router.example:80', 'router.example', 80],
      ['localhost', 'localhost', 54325],
      ['10.0.0.1:0', '10.0.0.1', 0],
    ] as const) {
      expect(parseEndpoint(text, 54325), text).toEqual({ address, port })
    }
  })

  it('needs a port where there is no default', () => {
    expect(parseEndpoint('10.0.0.1:80')).toEqual(endpoint('10.0.0.1', 80))
    for (const text of ['10.0.0.1', '::1', '[::1]', 'localhost'])
      expect(parseEndpoint(text), text).toBeUndefined()
  })

  it('is told from what is none', () => {
    for (const text of [
      '',
      ':80',
      '10.0.0.1:',
      '10.0.0.1:65536',
      '10.0.0.1:8o',
      '10.0.0.300:80',
      '10.0.0.1:80:80',
      '[10.0.0.1]:80',
      '[::1',
      '::1]:80',
      '[::1]80',
      '[]:80',
      'a b:80',
      'a..b:80',
      'http://a:80',
    ]) {
      expect(parseEndpoint(text, 1), text).toBeUndefined()
    }
  })

  it('prints as it is read', () => {
    for (const text of ['10.0.0.1:80', '[fd00::7]:80', '[fe80::1%eth0]:80']) {
      expect(formatEndpoint(parseEndpoint(text)!)).toBe(text)
    }
  })

  it('is the same by value', () => {
    expect(sameEndpoint(endpoint('::1', 5), endpoint('::1', 5))).toBe(true)
    expect(sameEndpoint(endpoint('::1', 5), endpoint('::1', 6))).toBe(false)
    expect(sameEndpoint(endpoint('::1', 5), endpoint('::2', 5))).toBe(false)
  })

  it('has a family', () => {
    expect(endpointFamily(endpoint('10.0.0.1', 1))).toBe(4)
    expect(endpointFamily(endpoint('::1', 1))).toBe(6)
  })
})
