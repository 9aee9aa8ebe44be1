import { describe, expect, it } from 'vitest'
import { ServiceId } from '../../../src/id/service-id.ts'
import { source } from '../../../src/wire/extensions/addresses-2014.ts'
import { challenge } from '../../../src/wire/extensions/challenge.ts'
import { control, controlFlags, formatControlFlags } from '../../../src/wire/extensions/control.ts'
import { cookie } from '../../../src/wire/extensions/cookie.ts'
import { end } from '../../../src/wire/extensions/end.ts'
import { greaseExtension, large } from '../../../src/wire/extensions/large.ts'
import { formatReason, reason, reasonCodes } from '../../../src/wire/extensions/reason.ts'
import { paths, route } from '../../../src/wire/extensions/route.ts'
import { tag } from '../../../src/wire/extensions/tag.ts'
import {
  type Extension,
  emitExtensions,
  extensionsLength,
  formatExtensionType,
  notUnderstood,
  parseExtensions,
} from '../../../src/wire/extensions.ts'
import { nativeProfile } from '../../../src/wire/native-profile.ts'
import type { ProfileName } from '../../../src/wire/profile.ts'
import { profile2014 } from '../../../src/wire/profile-2014.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import { Random } from '../../support/random.ts'

const CONTROL = `1014800000000001${'00'.repeat(12)}`
const SERVICE = `2024${'00'.repeat(34)}`
const TAG = `6014${'00'.repeat(18)}`

/** By name. */
const profiles = { '2014': profile2014, native: nativeProfile }

function parse(profile: ProfileName, hex: string): Extension[] | WireError {
  const bytes = Uint8Array.from(Buffer.from(hex, 'hex'))
  return parseExtensions(bytes, 0, bytes.length, profiles[profile].extensions)
}

function code(profile: ProfileName, hex: string): string {
  const result = parse(profile, hex)
  return result instanceof WireError ? result.code : 'value'
}

function emit(profile: ProfileName, ...extensions: Extension[]): string {
  const { extensions: rules } = profiles[profile]
  const buffer = new Uint8Array(extensionsLength(extensions, rules)).fill(0xa5)
  emitExtensions(extensions, buffer, 0, rules)
  return Buffer.from(buffer).toString('hex')
}

describe('extensions of both profiles', () => {
  for (const profile of ['2014', 'native'] as const) {
    it(`${profile}: may be none`, () => {
      expect(parse(profile, '')).toEqual([])
    })

    it(`${profile}: are refused when cut or when their length is not theirs`, () => {
      for (const [hex, expected] of [
        ['10', 'truncated'],
        ['1000', 'truncated'],
        ['1001', 'truncated'],
        [CONTROL.slice(0, -2), 'truncated'],
        [`1010${CONTROL.slice(4, 32)}`, 'bad-length'],
        [`1018${CONTROL.slice(4)}00000000`, 'bad-length'],
        [`2020${SERVICE.slice(4, 64)}`, 'bad-length'],
        [`2028${SERVICE.slice(4)}00000000`, 'bad-length'],
      ] as const) {
        expect(code(profile, hex), hex).toBe(expected)
      }
    })

    it(`${profile}: may not repeat, but for a second service`, () => {
      expect(code(profile, CONTROL + SERVICE + SERVICE)).toBe('value')
      expect(code(profile, CONTROL + CONTROL)).toBe('duplicate-extension')
      expect(code(profile, SERVICE + SERVICE + SERVICE)).toBe('duplicate-extension')
    })
  }
})

describe('extensions of the 2014 profile', () => {
  it('end the packet where a type is not known', () => {
    for (const type of ['5', '6', '9', 'f']) expect(code('2014', `${type}0040000`)).toBe('unknown-extension')
  })

  it('keep reserved bits as they came', () => {
    const hex = `1f14037f${CONTROL.slice(8)}2a24beef${SERVICE.slice(8)}`
    expect(emit('2014', ...(parse('2014', hex) as Extension[]))).toBe(hex)
  })

  it('may be pads of one byte, which count towards the ten', () => {
    expect(code('2014', `${CONTROL}${'00'.repeat(4)}`)).toBe('value')
    expect(code('2014', '00'.repeat(10))).toBe('value')
    expect(code('2014', '00'.repeat(11))).toBe('too-many-extensions')
    expect(emit('2014', ...(parse('2014', '000307') as Extension[]))).toBe('000307')
  })

  it('list two source addresses or more', () => {
    expect(parse('2014', '400c00000a4d03010a4d03fe')).toEqual([
      { kind: 'source', bits: 0, reserved: 0, addresses: ['10.77.3.1', '10.77.3.254'] },
    ])
    for (const hex of ['400800000a4d0301', '40040000', '400d00000a4d03010a4d03fe00']) {
      expect(code('2014', hex), hex).toBe('bad-length')
    }
    expect(code('2014', '400c00000a4d03010a4d03fe'.repeat(2))).toBe('duplicate-extension')
  })

  it('skip address extensions, however many', () => {
    const hex = '300c0000000000010000000231100000000000010000000209080706'
    expect(emit('2014', ...(parse('2014', hex) as Extension[]))).toBe(hex)
    expect(code('2014', '3008000000000000')).toBe('bad-length')
  })
})

describe('extensions of the native profile', () => {
  it('are skipped from type 5 up where they are not known, and kept', () => {
    expect(parse('native', 'b008010203040506')).toEqual([
      { kind: 'unknown', type: 11, bits: 0, body: Uint8Array.of(1, 2, 3, 4, 5, 6) },
    ])
    for (const type of ['0', '3', '4']) expect(code('native', `${type}0040000`)).toBe('unknown-extension')
  })

  it('can ask to be understood', () => {
    const understood = (hex: string) => notUnderstood(parse('native', hex) as Extension[])
    expect(understood('e0040000')).toBeUndefined()
    expect(understood('e7040000')).toBeUndefined()
    expect(formatExtensionType(understood('e8040000b8040000')!)).toBe('14')
    expect(formatExtensionType(understood('f800010200060000')!)).toBe('15/258')
    expect(understood(`18${CONTROL.slice(2)}`)).toBeUndefined()
  })

  it('are multiples of four bytes', () => {
    expect(code('native', 'e0060000e0020000')).toBe('misaligned-extension')
  })

  it('are 32 at most', () => {
    expect(code('native', 'e0040000'.repeat(32))).toBe('value')
    expect(code('native', 'e0040000'.repeat(33))).toBe('too-many-extensions')
  })

  it('end with TAG', () => {
    expect(code('native', CONTROL + TAG)).toBe('value')
    expect(code('native', TAG + CONTROL)).toBe('tag-not-last')
    expect(code('native', TAG + TAG)).toBe('tag-not-last')
    expect(code('native', `${TAG}e0040000`)).toBe('tag-not-last')
  })

  it('hold KEY shares of the length of their mode', () => {
    expect(code('native', `50140000${'00'.repeat(16)}`)).toBe('value')
    expect(code('native', `50240100${'00'.repeat(32)}`)).toBe('value')
    expect(code('native', `50180000${'00'.repeat(20)}`)).toBe('bad-length')
    expect(code('native', `50140100${'00'.repeat(16)}`)).toBe('bad-length')
    expect(code('native', '50080900aabbccdd')).toBe('value')
  })

  it('hold cookies that fill their extension', () => {
    expect(parse('native', '70080003aabbcc00')).toEqual([cookie(Uint8Array.of(0xaa, 0xbb, 0xcc))])
    for (const hex of ['70080000aabbcc00', '70080005aabbcc00', '7008ffffaabbcc00']) {
      expect(code('native', hex), hex).toBe('bad-length')
    }
  })

  it('keep reserved bytes as they came, for a router sends them on', () => {
    for (const hex of [
      `51140077${'00'.repeat(16)}`,
      `820c0077${'00'.repeat(8)}`,
      '9314017704009c40c00002078081828384858687',
      'a30c017704009c40c0000207',
      'c408017761626300',
      'd50c77880000000000000001',
      'f677000200080102',
    ]) {
      expect(emit('native', ...(parse('native', hex) as Extension[]))).toBe(hex)
    }
  })

  it('are padded with zeros', () => {
    for (const hex of ['70080003aabbcc01', 'c008010061620001', 'f00001020009010203000001']) {
      expect(code('native', hex), hex).toBe('bad-value')
    }
  })

  it('hold a challenge or an echo, nothing else', () => {
    expect(code('native', `800c0000${'00'.repeat(8)}`)).toBe('value')
    expect(code('native', `800c0200${'00'.repeat(8)}`)).toBe('bad-value')
  })

  it('hold end points that fill their list', () => {
    const ipv4 = '04009c40c0000207'
    const ipv6 = `0600d431${'20010db8'.padEnd(32, '0')}`
    const mac = '8081828384858687'
    const lists = [
      ['9', ipv4 + mac + ipv6 + mac],
      ['a', ipv4 + ipv6],
    ] as const
    for (const [type, entries] of lists) {
      const start = (length: number, count: number) =>
        `${type}0${length.toString(16).padStart(2, '0')}${count.toString(16).padStart(2, '0')}00`
      const bytes = 4 + entries.length / 2
      expect(code('native', start(bytes, 2) + entries)).toBe('value')
      expect(code('native', start(bytes, 1) + entries)).toBe('bad-length')
      expect(code('native', start(bytes, 3) + entries)).toBe('bad-length')
      expect(code('native', start(bytes, 9) + entries)).toBe('bad-length')
      expect(code('native', start(4, 0))).toBe('value')
      expect(code('native', start(bytes, 2) + entries.replace('0400', '0500'))).toBe('bad-value')
    }
  })

  it('hold eight end points of either family at most', () => {
    const entry = { address: 'fd00::1', port: 1, mac: new Uint8Array(8) }
    const eight = new Array(8).fill(entry)
    expect(emit('native', route(eight)).slice(0, 8)).toBe('90e40800')
    expect(() => emit('native', route([...eight, entry]))).toThrow(RangeError)
    expect(() => emit('native', paths([...eight, entry]))).toThrow(RangeError)
    expect(() => emit('native', paths([{ address: 'nowhere', port: 1 }]))).toThrow(RangeError)
  })

  it('hold a final offset below 2^53', () => {
    expect(emit('native', end(2 ** 53 - 1))).toBe('d00c0000001fffffffffffff')
    expect(parse('native', 'd00c0000001fffffffffffff')).toEqual([end(2 ** 53 - 1)])
    expect(code('native', 'd00c00000020000000000000')).toBe('bad-value')
  })

  it('tell reasons, cut to what fits at a character', () => {
    expect(emit('native', reason(reasonCodes.DRAINING, 'ok'))).toBe('c00803006f6b0000')
    expect(parse('native', 'c00803006f6b0000')).toEqual([reason(reasonCodes.DRAINING, 'ok')])
    expect(reason(1, 'é'.repeat(200)).detail).toBe('é'.repeat(124))
    expect(reason(1, `a${'é'.repeat(200)}`).detail).toBe(`a${'é'.repeat(123)}`)
    expect(code('native', 'c00c01006162630000000000')).toBe('bad-length')
    expect(code('native', 'c008010061ff0000')).toBe('bad-value')
    expect(formatReason(reasonCodes.STALE_EPOCH)).toBe('STALE_EPOCH')
    expect(formatReason(200)).toBe('200')
  })

  it('may be large, with the padding outside of the length', () => {
    expect(emit('native', large(0x102, Uint8Array.of(1, 2, 3)))).toBe('f00001020009010203000000')
    expect(parse('native', 'f00001020009010203000000')).toEqual([large(0x102, Uint8Array.of(1, 2, 3))])
    for (const [hex, expected] of [
      ['f0000102', 'truncated'],
      ['f000010200050000', 'bad-length'],
      ['f000010200000000', 'truncated'],
      ['f0000102000901020300', 'truncated'],
    ]) {
      expect(code('native', hex!), hex).toBe(expected)
    }
  })

  it('may be random ones that everybody skips', () => {
    const random = new Random(1)
    for (let i = 0; i < 100; i++) {
      const grease = greaseExtension(random.bytes)
      expect(grease.largeType).toBeGreaterThanOrEqual(0x8000)
      const parsed = parse('native', emit('native', grease)) as Extension[]
      expect(parsed).toEqual([grease])
      expect(notUnderstood(parsed)).toBeUndefined()
    }
  })
})

describe('writing extensions', () => {
  it('refuses what the profile does not have', () => {
    expect(() => emit('2014', tag(0))).toThrow('no extension tag')
    expect(() => emit('native', { kind: 'pad', bits: 0 })).toThrow('no extension pad')
    const source: Extension = { kind: 'source', bits: 0, reserved: 0, addresses: ['::1', '::2'] }
    expect(() => emit('2014', source)).toThrow(RangeError)
  })

  it('refuses bytes of another length than the layout has', () => {
    expect(() => emit('native', challenge(new Uint8Array(7)))).toThrow('8 bytes expected, not 7')
    expect(() => emit('native', tag(0, new Uint8Array(17)))).toThrow('16 bytes expected, not 17')
    expect(() => emit('native', control(0, 0, 0, new Uint8Array(9)))).toThrow('8 bytes expected, not 9')
  })

  it('refuses what is longer than the length byte can say', () => {
    expect(emit('native', cookie(new Uint8Array(248))).slice(0, 8)).toBe('70fc00f8')
    expect(() => emit('native', cookie(new Uint8Array(249)))).toThrow('at most 255 bytes, not 256')
    expect(() => emit('native', { ...reason(1), detail: 'x'.repeat(249) })).toThrow(RangeError)
    expect(() => emit('2014', source(new Array(63).fill('10.0.0.1')))).toThrow(RangeError)
  })

  it('clears what it does not use', () => {
    expect(emit('native', control(controlFlags.SYN, 1, 0))).toBe(CONTROL)
    expect(emit('native', { kind: 'service', bits: 0, reserved: 0, serviceId: ServiceId.zero })).toBe(SERVICE)
    expect(emit('native', tag(0))).toBe(TAG)
  })
})

describe('control flags', () => {
  it('print as traces name them', () => {
    expect(formatControlFlags(controlFlags.SYN | controlFlags.ACK)).toBe('SYN+ACK')
    expect(formatControlFlags(0x03)).toBe('none')
  })
})
