/** IP addresses as text and as bytes. The text is canonical: what Node's sockets report and print. */

/** 4 or 16 bytes, or undefined if `text` is no IP address. The zone of `fe80::1%eth0` is left out. */
export function addressBytes(text: string): Uint8Array | undefined {
  if (!text.includes(':')) return ipv4Bytes(text)
  const zone = text.indexOf('%')
  return ipv6Bytes(zone < 0 ? text : text.slice(0, zone))
}

/** Dotted IPv4 (4 bytes) or RFC 5952 text (16 bytes); RangeError for any other length. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length === 16) return ipv6Text(bytes)
  throw new RangeError(`an address has 4 or 16 bytes, not ${bytes.length}`)
}

/** The one spelling of an address, its zone kept; undefined if `text` is no IP address. */
export function canonicalAddress(text: string): string | undefined {
  const bytes = addressBytes(text)
  if (bytes === undefined) return undefined
  const zone = text.indexOf('%')
  return addressText(bytes) + (zone < 0 ? '' : text.slice(zone))
}

/** Whether only this host has it: 127.0.0.0/8 (RFC 1122 section 3.2.1.3), ::1 (RFC 4291 section 2.5.3). */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}

/** Where packets for all hosts of an IPv4 subnet go (RFC 919 section 7). */
export function broadcastOf(address: string, prefixBits: number): string {
  const bits = address.split('.').reduce((sum, byte) => (sum << 8) | Number(byte), 0)
  const all = prefixBits >= 32 ? bits : bits | (0xffffffff >>> prefixBits)
  return [24, 16, 8, 0].map(shift => (all >>> shift) & 0xff).join('.')
}

/** Leading zeros are refused: some readers take them for octal (RFC 6943 3.1.1). */
function ipv4Bytes(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(4)
  let octet = 0
  let digits = 0
  let value = 0
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : DOT
    if (code === DOT) {
      if (digits === 0 || octet === 4) return undefined
      bytes[octet++] = value
      digits = value = 0
    } else {
      if (code < ZERO || code > NINE || (digits > 0 && value === 0)) return undefined
      value = 10 * value + code - ZERO
      digits++
      if (value > 0xff) return undefined
    }
  }
  return octet === 4 ? bytes : undefined
}

const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39

function ipv6Bytes(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = groupBytes(halves[0]!, halves.length === 1)
  const tail = halves.length === 2 ? groupBytes(halves[1]!, true) : []
  if (head === undefined || tail === undefined) return undefined
  const missing = 16 - head.length - tail.length
  // RFC 4291 2.2: `::` stands for one group or more; without it all eight must be written.
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined
  const bytes = new Uint8Array(16)
  bytes.set(head)
  bytes.set(tail, 16 - tail.length)
  return bytes
}

/** The bytes of `a:b:c`, which may end in a dotted IPv4 address where it is the end of the whole. */
function groupBytes(text: string, atEnd: boolean): number[] | undefined {
  if (text === '') return []
  const groups = text.split(':')
  const bytes: number[] = []
  for (const [index, group] of groups.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16)
      bytes.push(value >> 8, value & 0xff)
      continue
    }
    const dotted = atEnd && index === groups.length - 1 ? ipv4Bytes(group) : undefined
    if (dotted === undefined) return undefined
    bytes.push(...dotted)
  }
  return bytes
}

function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!)
  if (isIpv4Mapped(groups)) return `::ffff:${bytes.subarray(12).join('.')}`
  const run = longestZeroRun(groups)
  const hex = groups.map(group => group.toString(16))
  if (run.length < 2) return hex.join(':')
  return `${hex.slice(0, run.start).join(':')}::${hex.slice(run.start + run.length).join(':')}`
}

/** RFC 5952 section 5: the well-known prefix ::ffff:0:0/96 is written with a dotted tail. */
function isIpv4Mapped(groups: readonly number[]): boolean {
  return groups[5] === 0xffff && groups.slice(0, 5).every(group => group === 0)
}

/** RFC 5952 4.2.3: the longest run, the first of equals. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start++) {
    let end = start
    while (groups[end] === 0) end++
    if (end - start > best.length) best = { start, length: end - start }
  }
  return best
}
