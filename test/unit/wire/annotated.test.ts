/**
 * One packet of each kind by value: test/vectors/annotated.md explains them byte by byte, and each of its
 * lines is compared with what the codecs make of the packet.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { formatControlFlags } from '../../../src/wire/extensions/control.ts'
import { parseIpv4Header } from '../../../src/wire/ipv4.ts'
import { parsePacket } from '../../../src/wire/packet.ts'
import { profile2014 } from '../../../src/wire/profile-2014.ts'
import { parseSalHeader } from '../../../src/wire/sal-header.ts'
import { parseTcpHeader, tcpFlags, tcpHeaderLength } from '../../../src/wire/tcp-header.ts'
import { parseUdpHeader, UDP_HEADER_BYTES } from '../../../src/wire/udp-header.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import { readCapture, VECTORS } from '../../support/pcap.ts'

const sections = readFileSync(join(VECTORS, 'annotated.md'), 'utf8').split(/^### /m).slice(1)

describe('the annotated packets', () => {
  it('are one of each kind', () => {
    expect(sections.length).toBe(23)
  })

  for (const section of sections) {
    const title = section.slice(0, section.indexOf('\n'))
    const [, file, number] = /`([^`]+)` packet (\d+)/.exec(section)!
    const lines = [...section.matchAll(/^ +(\d+) {2}([0-9a-f ]+?)(?: \.\.\.\(\+\d+\))? {2,}(\S.*)$/gm)]

    it(`${title}: ${file} packet ${number}`, () => {
      const { bytes } = readCapture(join(VECTORS, file!))[Number(number) - 1]!
      const meanings = new Meanings(bytes)
      const block = /```\n([^`]+)```/.exec(section)![1]!
      expect(lines.length, 'every line is read').toBe(block.trimEnd().split('\n').length)
      for (const [line, offset, hex, meaning] of lines) {
        const shown = hex!.replaceAll(' ', '')
        expect(Buffer.from(bytes).toString('hex', Number(offset)).startsWith(shown), line).toBe(true)
        expect(meanings.of(meaning!, shown), line).toBe(meaning)
      }
    })
  }

  it('are told from packets with other values (self-test of this check)', () => {
    const { bytes } = readCapture(join(VECTORS, 'a_tcp.pcap'))[0]!
    expect(new Meanings(bytes).of('src flowID 5', '00000005')).toBe('src flowID 4')
    expect(new Meanings(bytes).of('verno', '38d87f8b')).toBe('verno 38d87f8a')
    expect(() => new Meanings(bytes).of('something else', '00')).toThrow('something else')
  })
})

/** What the codecs find in one packet, in the words of annotated.md. */
class Meanings {
  readonly #ip
  readonly #header
  readonly #packet
  #service = 0
  #address = 0

  constructor(bytes: Uint8Array) {
    this.#ip = value(parseIpv4Header(bytes, 0, bytes.length))
    this.#header = value(parseSalHeader(bytes, 20, bytes.length))
    this.#packet = value(parsePacket(bytes, 20, bytes.length, profile2014))
  }

  /** The line as it should read; `hex` is what it shows of the bytes. */
  of(line: string, hex: string): string {
    for (const [pattern, find] of this.#table) {
      if (pattern.test(line)) return find(line, hex)
    }
    throw new Error(`no codec says "${line}"`)
  }

  readonly #table: readonly (readonly [RegExp, (line: string, hex: string) => string])[] = [
    [/^IPv4 /, () => this.#ipv4()],
    [/^src flowID/, () => `src flowID ${this.#packet.srcFlowId}`],
    [/^dst flowID/, () => `dst flowID ${this.#packet.dstFlowId}`],
    [
      /^SAL length/,
      () => `SAL length ${this.#header.headerBytes / 4} words = ${this.#header.headerBytes} bytes`,
    ],
    [/^protocol/, () => `protocol ${this.#packet.protocol}`],
    // The parser has verified it, or there would be no packet.
    [/^SAL checksum/, () => 'SAL checksum (verified ok)'],
    [/^control ext/, () => (this.#control ? 'control ext: type 1 (high nibble), length 20' : 'no control')],
    [/^flags: /, () => `flags: ${formatControlFlags(this.#control!.flags)}`],
    [
      /^reserved$/,
      (line, hex) => same(line, hex, hex.length === 2 ? this.#control!.reserved : this.#reserved),
    ],
    [/^verno$/, (line, hex) => same(line, hex, this.#control!.verno)],
    [/^ackno$/, (line, hex) => same(line, hex, this.#control!.ackno)],
    [/^nonce of the sender$/, (line, hex) => same(line, hex, this.#control!.nonce)],
    [
      /^service ext/,
      () => (this.#packet.services.length > 0 ? 'service ext: type 2, length 36' : 'no service'),
    ],
    [/^serviceID/, line => this.#serviceId(line)],
    [/^source ext/, () => `source ext: type 4, length ${4 + 4 * this.#source!.addresses.length}`],
    [/^address\[/, () => `address[${this.#address}] ${this.#source!.addresses[this.#address++]}`],
    [/^TCP source/, line => (this.#tcp.srcPort === 0 && this.#tcp.dstPort === 0 ? line : 'TCP ports not 0')],
    [/^TCP seq$/, (line, hex) => same(line, hex, this.#tcp.seq)],
    [/^TCP ack$/, (line, hex) => same(line, hex, this.#tcp.ack)],
    [
      /^TCP offset/,
      () => `TCP offset ${tcpHeaderLength(this.#tcp)} bytes, flags ${tcpLetters(this.#tcp.flags)}`,
    ],
    [/^TCP window/, () => `TCP window ${this.#tcp.window}`],
    [/^TCP checksum/, (line, hex) => same(line, hex, this.#tcp.checksum)],
    [/^urgent pointer$/, (line, hex) => same(line, hex, this.#tcp.urgent)],
    [/^options: /, () => `options: ${this.#tcpOptions()}`],
    [/^UDP source/, line => (this.#udp.srcPort === 0 && this.#udp.dstPort === 0 ? line : 'UDP ports not 0')],
    [/^UDP length/, () => `UDP length ${this.#udp.lengthBytes}`],
    [/^UDP checksum/, (line, hex) => same(line, hex, this.#udp.checksum)],
    [/^payload/, () => `payload, ${this.#payloadBytes()} bytes`],
  ]

  get #control() {
    return this.#packet.control
  }

  get #source() {
    return this.#packet.extension('source')
  }

  /** Of the service or source extension whose body comes next. */
  get #reserved() {
    return (this.#packet.extension('service') ?? this.#source)!.reserved
  }

  get #tcp() {
    const { transport } = this.#packet
    return value(parseTcpHeader(transport, 0, transport.length))
  }

  get #udp() {
    const { transport } = this.#packet
    return value(parseUdpHeader(transport, 0, transport.length))
  }

  #ipv4(): string {
    const { source, destination, ttl, protocol, totalBytes, id } = this.#ip
    return `IPv4 ${source} > ${destination}, ttl ${ttl}, proto ${protocol}, total ${totalBytes}, id ${id} (kernel filled)`
  }

  #serviceId(line: string): string {
    const id = this.#packet.services[this.#service++]!
    const word = Number.parseInt(id.toString().slice(2, 10), 16)
    const rest = id.toString().slice(10)
    return /^0+$/.test(rest) ? `serviceID (32 bytes), first word = ${word}` : `${line}, but ${id}`
  }

  #tcpOptions(): string {
    const words = this.#tcp.options.map(option => {
      if (option.kind === 'mss') return `MSS ${option.mss}`
      return option.kind === 'window-scale' ? `window scale ${option.shift}` : option.kind.toUpperCase()
    })
    return words.join(', ')
  }

  #payloadBytes(): number {
    if (this.#packet.protocol === 17) return this.#udp.lengthBytes - UDP_HEADER_BYTES
    return this.#packet.transport.length - tcpHeaderLength(this.#tcp)
  }
}

/** `line` itself if `found` is what the hex shows, otherwise with what was found. */
function same(line: string, hex: string, found: number | Uint8Array): string {
  const foundHex =
    typeof found === 'number'
      ? found.toString(16).padStart(hex.length, '0')
      : Buffer.from(found).toString('hex')
  return foundHex === hex ? line : `${line} ${foundHex}`
}

function tcpLetters(flags: number): string {
  const letters = Object.entries(tcpFlags).filter(([, flag]) => (flags & flag) !== 0)
  return letters.map(([name]) => name[0]).join('')
}

function value<T>(result: T | WireError): T {
  if (result instanceof WireError) throw new Error(result.toString())
  return result
}
