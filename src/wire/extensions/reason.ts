/**
 * REASON (type 12, README.md, "Extensions"): why a NACK or RST was sent.
 *
 *    0               8              16              24            31
 *   +---------------+---------------+---------------+---------------+
 *   |  0xc   bits   |    length     |     code      |   reserved    |
 *   +---------------+---------------+---------------+---------------+
 *   |  detail, UTF-8, zeros up to a multiple of 4 ...
 */
import { align4 } from '../bytes.ts'
import { type WireError, wireErrors } from '../wire-error.ts'
import {
  BODY,
  type ExtensionBase,
  type ExtensionCodec,
  isZero,
  type ReservedField,
  readBits,
  writeStart,
} from './codec.ts'

const TYPE = 12
const CODE = BODY
const RESERVED = 3
const DETAIL = 4
/** The length byte counts to 252 in steps of four. */
export const MAX_DETAIL_BYTES = 248

export const reasonCodes = {
  /** There is no rule for the service. */
  NO_SERVICE: 1,
  /** The instance does not take the connection. */
  REFUSED: 2,
  /** The instance is about to go and takes no new ones. */
  DRAINING: 3,
  /** Too much to do; another instance, or later. */
  OVERLOAD: 4,
  /** Another instance's SYN-ACK was first. */
  LOST_RACE: 5,
  /** The flow was adopted elsewhere under a later epoch. */
  STALE_EPOCH: 6,
  /** A router knows no way on. */
  NO_ROUTE: 7,
  /** An extension had to be understood and was not; detail: its type, as `formatExtensionType` writes it. */
  UNSUPPORTED: 8,
  /** A rule drops what goes to the service. */
  DROPPED: 9,
  /** The flow is closed. */
  CLOSED: 10,
  /** The hops ran out at this router; detail: its address. */
  HOP_LIMIT: 11,
  /** The packet has been at this router before; detail: its address. */
  LOOP: 12,
  /** A SYN with TRACE has come to an instance that would take it; detail: its address. */
  TRACED: 13,
  /** The instance would take the SYN, but answers the client itself alone; detail: the address to send it to. */
  DIRECT: 14,
} as const

export interface ReasonExtension extends ExtensionBase, ReservedField {
  readonly kind: 'reason'
  /** Of `reasonCodes`, or one that is not known here. */
  readonly code: number
  /** For people; may be empty, and holds no NUL. */
  readonly detail: string
}

/** `detail` is cut to what fits, at a character's boundary. */
export function reason(code: number, detail = ''): ReasonExtension {
  const bytes = encode(detail)
  if (bytes.length <= MAX_DETAIL_BYTES) return { kind: 'reason', bits: 0, reserved: 0, code, detail }
  let end = MAX_DETAIL_BYTES
  while ((bytes[end]! & 0xc0) === 0x80) end--
  return { kind: 'reason', bits: 0, reserved: 0, code, detail: TEXT.decode(bytes.subarray(0, end)) }
}

/** What others say, as it may go to terminals and logs: without control characters. */
export function readableDetail(reason: ReasonExtension | undefined): string {
  return reason?.detail.replace(CONTROL_CHARACTERS, ' ') ?? ''
}

/** `NO_SERVICE`, or the number of a code that is not known here. */
export function formatReason(code: number): string {
  return Object.entries(reasonCodes).find(([, known]) => known === code)?.[0] ?? String(code)
}

export const reasonCodec: ExtensionCodec<ReasonExtension> = {
  type: TYPE,
  kind: 'reason',
  limit: 1,
  length: extension => align4(DETAIL + encode(extension.detail).length),

  parse(buffer: Uint8Array, start: number, end: number): ReasonExtension | WireError {
    if (end - start < DETAIL) return wireErrors.badLength
    let detailEnd = start + DETAIL
    while (detailEnd < end && buffer[detailEnd] !== 0) detailEnd++
    if (align4(detailEnd - start) !== end - start) return wireErrors.badLength
    const detail = detailEnd === start + DETAIL ? '' : decode(buffer.subarray(start + DETAIL, detailEnd))
    if (detail === undefined || !isZero(buffer, detailEnd, end)) return wireErrors.badValue
    return {
      kind: 'reason',
      bits: readBits(buffer, start),
      reserved: buffer[start + RESERVED]!,
      code: buffer[start + CODE]!,
      detail,
    }
  },

  emit(extension: ReasonExtension, buffer: Uint8Array, offset: number): void {
    const detail = encode(extension.detail)
    const length = align4(DETAIL + detail.length)
    writeStart(buffer, offset, TYPE, extension.bits, length)
    buffer[offset + CODE] = extension.code
    buffer[offset + RESERVED] = extension.reserved
    buffer.set(detail, offset + DETAIL)
    buffer.fill(0, offset + DETAIL + detail.length, offset + length)
  },
}

const CONTROL_CHARACTERS = /\p{Cc}/gu
const UTF8 = new TextEncoder()
const TEXT = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })

const NOTHING = new Uint8Array(0)

/** Each flow ends with a reason that has no detail, which the encoder is not asked for. */
function encode(detail: string): Uint8Array {
  return detail === '' ? NOTHING : UTF8.encode(detail)
}

/** undefined if the bytes are no UTF-8. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    return TEXT.decode(bytes)
  } catch {
    return undefined
  }
}
