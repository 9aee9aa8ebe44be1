import { describe, expect, it } from 'vitest'
import { PacketFilter, type PacketFilterOptions } from '../../../src/bin/dump/packet-filter.ts'
import { serviceIdOf } from '../../../src/id/name.ts'

const named = (name: string) => `service ${serviceIdOf(name).toString().slice(2, 26)}..`
const LINES = [
  `10.0.0.1:7000 > 10.0.0.9:54325 0000000a>00000000 SYN verno 1 ${named('web.example')} key plain`,
  `10.0.0.2:8000 > 10.0.0.1:7000 0000000b>0000000a SYN+ACK verno 5 ackno 2 key plain`,
  `10.0.0.3:7000 > 10.0.0.9:54325 0000000c>00000000 SYN verno 1 ${named('api.example')} key plain`,
  '10.0.0.1:7000 > 10.0.0.2:8000 0000000a>0000000b seq 17:1417 ack 99 win 65536 len 1400',
  '10.0.0.4:7000 > 10.0.0.3:7000 0000000d>0000000c ACK verno 9 ackno 1',
  '[fd00::1]:7000 > [fd00::2]:8000 0000000e>0000000f seq 1 ack 1 win 5 len 0',
]

function fitting(options: PacketFilterOptions): number[] {
  const filter = new PacketFilter(options)
  return LINES.flatMap((line, index) => (filter.fits(line) ? index : []))
}

describe('a filter of packets', () => {
  it('that asks for nothing takes all', () => {
    expect(fitting({})).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('by name takes whole flows, from the packet that opens them on', () => {
    expect(fitting({ name: 'web.example' })).toEqual([0, 1, 3])
    expect(fitting({ name: 'api.example' })).toEqual([2, 4])
    expect(fitting({ name: 'other.example' })).toEqual([])
  })

  it('by flowID takes either direction', () => {
    expect(fitting({ flow: '0000000B' })).toEqual([1, 3])
  })

  it('by address takes either end, with its port or any', () => {
    expect(fitting({ address: '10.0.0.3' })).toEqual([2, 4])
    expect(fitting({ address: '10.0.0.1:7000' })).toEqual([0, 1, 3])
    expect(fitting({ address: '10.0.0.1:7001' })).toEqual([])
    expect(fitting({ address: 'fd00::2' })).toEqual([5])
  })

  it('by type tells flags and data apart', () => {
    expect(fitting({ type: 'syn' })).toEqual([0, 2])
    expect(fitting({ type: 'SYN+ACK' })).toEqual([1])
    expect(fitting({ type: 'data' })).toEqual([3, 5])
  })

  it('wants all of what is asked for', () => {
    expect(fitting({ name: 'web.example', type: 'data', address: '10.0.0.2' })).toEqual([3])
  })
})
