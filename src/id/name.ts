/**
 * Service names to serviceIDs (src/wire/README.md, "Names"): 12 bytes of hierarchy, so that prefixes route, and 20 bytes of
 * identity, so that two names never meet.
 *
 *   web.shop.example      +--------+--------+--------+---------------------+
 *                         | level 1| level 2| level 3|       identity      |
 *                         +--------+--------+--------+---------------------+
 *                      byte 0        4        8        12                  32
 *   of                     example   shop     all that   whole name, or the
 *                                    .example is left    key in k-<base32>
 *
 * Hashes route, they never authorise: whoever decides who may serve what compares `text`.
 */
import { createHash } from 'node:crypto'
import { ServalError } from '../errors.ts'
import { base32Decode, base32Encode } from './base32.ts'
import { SERVICE_ID_BITS, SERVICE_ID_BYTES, ServiceId } from './service-id.ts'
import { ServicePrefix } from './service-prefix.ts'

export interface ServiceName {
  /** Canonical: lower case. A raw ID is `x-` and 64 hex digits. */
  readonly text: string
  readonly id: ServiceId
  /** The 20 identity bytes of a self-certifying name, `k-<base32>.…`: they are the hash of a public key. */
  readonly identity?: Uint8Array
}

/** Reads a name, `web.shop.example` or `k-<base32>.web.shop.example`, or a raw ID. Throws ESERVICENAME. */
export function parseServiceName(text: string): ServiceName {
  const known = recent.get(text)
  if (known !== undefined) return known
  const name = parseAnew(text)
  if (recent.size >= RECENT_LIMIT) recent.clear()
  recent.set(text, name)
  return name
}

/** Programs name the same few services again and again, and a name costs four hashes. */
const recent = new Map<string, ServiceName>()
const RECENT_LIMIT = 256

function parseAnew(text: string): ServiceName {
  if (isRaw(text)) {
    const id = ServiceId.parse(text)
    return { text: id.toString(), id }
  }
  const labels = splitName(text)
  const name = labels.join('.')
  const identity = keyIdentity(labels[0]!, text)
  if (identity === undefined)
    return { text: name, id: assemble(labels, digest('name', name, IDENTITY_BYTES)) }
  if (labels.length === 1) {
    throw malformed(text, 'a key label k-<base32> stands before a name, as in k-<base32>.web.example')
  }
  return { text: name, id: assemble(labels.slice(1), identity), identity }
}

/** The serviceID of a name or raw ID. Throws ESERVICENAME. */
export function serviceIdOf(text: string): ServiceId {
  return parseServiceName(text).id
}

/**
 * What a rule matches: `*` (0 bits), `*.example` (32), `*.shop.example` (64), a name (256), or a raw ID
 * with an optional `/bits`. Throws ESERVICENAME.
 */
export function parseServicePattern(text: string): ServicePrefix {
  if (text === '*') return ServicePrefix.all
  if (isRaw(text)) return ServicePrefix.parse(text)
  if (!text.startsWith('*.')) return new ServicePrefix(serviceIdOf(text), SERVICE_ID_BITS)
  const labels = splitName(text.slice(2))
  if (labels.length > PREFIX_LEVELS) {
    throw malformed(text, 'a prefix has at most two labels, *.example or *.shop.example')
  }
  return new ServicePrefix(assemble(labels, NO_IDENTITY), labels.length * 8 * LEVEL_BYTES)
}

/** The self-certifying form of `name` for a key whose SHA-256 starts with these 20 bytes. Throws ESERVICENAME. */
export function keyedName(name: string, identity: Uint8Array): ServiceName {
  if (identity.length !== IDENTITY_BYTES) throw new RangeError(`an identity has ${IDENTITY_BYTES} bytes`)
  return parseServiceName(`${KEY_LABEL}${base32Encode(identity)}.${name}`)
}

export const LEVEL_BYTES = 4
export const LEVELS = 3
export const IDENTITY_OFFSET = LEVELS * LEVEL_BYTES
export const IDENTITY_BYTES = SERVICE_ID_BYTES - IDENTITY_OFFSET

/** The third level takes all that is left, so it has no prefix of its own. */
const PREFIX_LEVELS = LEVELS - 1
const NO_IDENTITY = new Uint8Array(IDENTITY_BYTES)
const KEY_LABEL = 'k-'
const MAX_NAME_LENGTH = 253
const LABEL = /^[a-z0-9_-]{1,63}$/
const ACCEPTED_NAME = 'labels of 1 to 63 letters, digits, - and _, joined by dots, 253 characters at most'
const ACCEPTED_KEY = 'a label that starts with k- is k- and 32 base32 characters (a-z, 2-7)'

/** A raw ID is longer than a label can be, and no name has a slash; so this takes no name away. */
function isRaw(text: string): boolean {
  return /^(x-|0x)([0-9a-f]{62}|[^/]*\/)/i.test(text)
}

function splitName(text: string): string[] {
  const labels = text.toLowerCase().split('.')
  if (text.length > MAX_NAME_LENGTH || !labels.every(label => LABEL.test(label))) {
    throw malformed(text, ACCEPTED_NAME)
  }
  return labels
}

/** `k-` is reserved at the front: a mistyped key must not turn into a name that anybody may serve. */
function keyIdentity(label: string, text: string): Uint8Array | undefined {
  if (!label.startsWith(KEY_LABEL)) return undefined
  const identity = base32Decode(label.slice(KEY_LABEL.length))
  if (identity?.length !== IDENTITY_BYTES) throw malformed(text, ACCEPTED_KEY)
  return identity
}

/** `labels` as written, most specific first. */
function assemble(labels: readonly string[], identity: Uint8Array): ServiceId {
  const bytes = new Uint8Array(SERVICE_ID_BYTES)
  for (let level = 1; level <= Math.min(labels.length, LEVELS); level++) {
    const branch = level < LEVELS ? labels.slice(-level) : labels
    bytes.set(digest(`level ${level}`, branch.join('.'), LEVEL_BYTES), (level - 1) * LEVEL_BYTES)
  }
  bytes.set(identity, IDENTITY_OFFSET)
  return ServiceId.fromBytes(bytes)
}

/** The first `length` bytes of SHA-256("serval " domain 0x00 text). */
function digest(domain: string, text: string, length: number): Uint8Array {
  return createHash('sha256').update(`serval ${domain}\0${text}`).digest().subarray(0, length)
}

function malformed(value: string, expected: string): ServalError {
  return new ServalError('ESERVICENAME', { value, expected })
}
