/** TCP options (RFC 9293 3.1, RFC 7323): those that the 2014 prototype sends by value, the others as bytes. */
import { copyBytes, readU16, writeU16 } from './bytes.ts'
import { type WireError, wireErrors } from './wire-error.ts'

export type TcpOption =
  /** Ends the list; `padding` is what follows it in the header. */
  | { readonly kind: 'end'; readonly padding: Uint8Array }
  | { readonly kind: 'nop' }
  | { readonly kind: 'mss'; readonly mss: number }
  | { readonly kind: 'window-scale'; readonly shift: number }
  | { readonly kind: 'other'; readonly type: number; readonly data: Uint8Array }

export function tcpOptionsLength(options: readonly TcpOption[]): number {
  return options.reduce((sum, option) => sum + optionLength(option), 0)
}

/** Parses `buffer[start, end)`, all of which is options. */
export function parseTcpOptions(buffer: Uint8Array, start: number, end: number): TcpOption[] | WireError {
  const options: TcpOption[] = []
  for (let at = start; at < end; ) {
    const type = buffer[at]!
    if (type === END) {
      options.push({ kind: 'end', padding: copyBytes(buffer, at + 1, end) })
      return options
    }
    if (type === NOP) {
      options.push({ kind: 'nop' })
      at++
      continue
    }
    const length = at + 1 < end ? buffer[at + 1]! : 0
    if (length < START || length > end - at) return wireErrors.badLength
    options.push(parseOption(type, buffer, at, length))
    at += length
  }
  return options
}

/** Writes `tcpOptionsLength` bytes, for which there is room. */
export function emitTcpOptions(options: readonly TcpOption[], buffer: Uint8Array, offset: number): void {
  let at = offset
  for (const option of options) {
    emitOption(option, buffer, at)
    at += optionLength(option)
  }
}

const END = 0
const NOP = 1
const MSS = 2
const MSS_LENGTH = 4
const WINDOW_SCALE = 3
const WINDOW_SCALE_LENGTH = 3
/** Type and length. */
const START = 2

function optionLength(option: TcpOption): number {
  switch (option.kind) {
    case 'end':
      return 1 + option.padding.length
    case 'nop':
      return 1
    case 'mss':
      return MSS_LENGTH
    case 'window-scale':
      return WINDOW_SCALE_LENGTH
    case 'other':
      return START + option.data.length
  }
}

/** A known type with a foreign length is kept as bytes: TCP ignores what it cannot read. */
function parseOption(type: number, buffer: Uint8Array, at: number, length: number): TcpOption {
  if (type === MSS && length === MSS_LENGTH) return { kind: 'mss', mss: readU16(buffer, at + START) }
  if (type === WINDOW_SCALE && length === WINDOW_SCALE_LENGTH) {
    return { kind: 'window-scale', shift: buffer[at + START]! }
  }
  return { kind: 'other', type, data: copyBytes(buffer, at + START, at + length) }
}

function emitOption(option: TcpOption, buffer: Uint8Array, at: number): void {
  switch (option.kind) {
    case 'end':
      buffer[at] = END
      buffer.set(option.padding, at + 1)
      return
    case 'nop':
      buffer[at] = NOP
      return
    case 'mss':
      buffer[at] = MSS
      buffer[at + 1] = MSS_LENGTH
      writeU16(buffer, at + START, option.mss)
      return
    case 'window-scale':
      buffer[at] = WINDOW_SCALE
      buffer[at + 1] = WINDOW_SCALE_LENGTH
      buffer[at + START] = option.shift
      return
    case 'other':
      buffer[at] = option.type
      buffer[at + 1] = optionLength(option)
      buffer.set(option.data, at + START)
  }
}
