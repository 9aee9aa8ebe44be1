/**
 * The list of extensions behind the SAL base header (README.md, "Extensions", B2). Which types exist, how many there may
 * be and which can be skipped is data of a profile, `ExtensionRules`; the layouts are in `extensions/`.
 */
import type { AddressExtension, SourceExtension } from './extensions/addresses-2014.ts'
import type { ChallengeExtension } from './extensions/challenge.ts'
import { BODY, type ExtensionCodec, MUST_UNDERSTAND } from './extensions/codec.ts'
import type { ControlExtension } from './extensions/control.ts'
import type { CookieExtension } from './extensions/cookie.ts'
import type { EndExtension } from './extensions/end.ts'
import type { KeyExtension } from './extensions/key.ts'
import { isTrace, type LargeExtension } from './extensions/large.ts'
import type { PadExtension } from './extensions/pad.ts'
import type { ReasonExtension } from './extensions/reason.ts'
import type { PathsExtension, RouteExtension } from './extensions/route.ts'
import type { ServiceExtension } from './extensions/service.ts'
import { TAG_TYPE, type TagExtension } from './extensions/tag.ts'
import { emitUnknown, parseUnknown, type UnknownExtension, unknownLength } from './extensions/unknown.ts'
import { WireError, wireErrors } from './wire-error.ts'

export type KnownExtension =
  | AddressExtension
  | ChallengeExtension
  | ControlExtension
  | CookieExtension
  | EndExtension
  | KeyExtension
  | LargeExtension
  | PadExtension
  | PathsExtension
  | ReasonExtension
  | RouteExtension
  | ServiceExtension
  | SourceExtension
  | TagExtension

export type Extension = KnownExtension | UnknownExtension

/** The extension of one `kind`. */
export type ExtensionOf<K extends Extension['kind']> = Extract<Extension, { kind: K }>

export interface ExtensionRules {
  readonly codecs: CodecTable
  /** How many a packet may hold altogether. */
  readonly limit: number
  /** Every length is a multiple of this: 1 or 4. */
  readonly alignment: number
  /** Unknown types from here on are skipped; 16 where none is. */
  readonly skippableFrom: number
}

/**
 * The codecs of a profile, found by type on the way in and by kind on the way out: so each is only ever given
 * values of its own kind.
 */
export class CodecTable {
  readonly all: readonly ExtensionCodec<KnownExtension>[]
  readonly #byType: readonly (ExtensionCodec<KnownExtension> | undefined)[]
  readonly #byKind: ReadonlyMap<string, ExtensionCodec<KnownExtension>>

  constructor(...codecs: readonly ExtensionCodec<KnownExtension>[]) {
    this.all = codecs
    this.#byType = Array.from({ length: 16 }, (_, type) => codecs.find(codec => codec.type === type))
    this.#byKind = new Map(codecs.map(codec => [codec.kind, codec]))
  }

  ofType(type: number): ExtensionCodec<KnownExtension> | undefined {
    return this.#byType[type]
  }

  /** RangeError for a kind that the profile does not have. */
  ofKind(kind: KnownExtension['kind']): ExtensionCodec<KnownExtension> {
    const codec = this.#byKind.get(kind)
    if (codec === undefined) throw new RangeError(`the profile has no extension ${kind}`)
    return codec
  }
}

/** Bytes that the list takes in a SAL header; RangeError for a kind that the profile does not know. */
export function extensionsLength(extensions: readonly Extension[], rules: ExtensionRules): number {
  let length = 0
  for (const extension of extensions) length += lengthOf(extension, rules)
  return length
}

/** Parses `buffer[start, end)`, all of which must be extensions. Values are copies. */
export function parseExtensions(
  buffer: Uint8Array,
  start: number,
  end: number,
  rules: ExtensionRules,
): Extension[] | WireError {
  const extensions: Extension[] = []
  const seen = new Uint8Array(16)
  for (let at = start; at < end; ) {
    if (extensions.length === rules.limit) return wireErrors.tooManyExtensions
    const type = buffer[at]! >> 4
    const codec = rules.codecs.ofType(type)
    if (codec === undefined && type < rules.skippableFrom) return wireErrors.unknownExtension
    if (seen[TAG_TYPE] !== 0) return wireErrors.tagNotLast
    if (codec !== undefined && ++seen[type]! > codec.limit) return wireErrors.duplicateExtension
    const length = extentOf(codec, buffer, at, end)
    if (length === 0 || length > end - at) return wireErrors.truncated
    if (length % rules.alignment !== 0) return wireErrors.misalignedExtension
    const extension =
      codec === undefined ? parseUnknown(type, buffer, at, at + length) : codec.parse(buffer, at, at + length)
    if (extension instanceof WireError) return extension
    extensions.push(extension)
    at += length
  }
  return extensions
}

/** Writes the list in its order and returns the offset behind it; RangeError for an unknown kind. */
export function emitExtensions(
  extensions: readonly Extension[],
  buffer: Uint8Array,
  offset: number,
  rules: ExtensionRules,
): number {
  let at = offset
  for (const extension of extensions) {
    if (extension.kind === 'unknown') {
      emitUnknown(extension, buffer, at)
      at += unknownLength(extension)
    } else {
      const codec = rules.codecs.ofKind(extension.kind)
      codec.emit(extension, buffer, at)
      at += codec.length(extension)
    }
  }
  return at
}

/** The first extension that its sender wants understood and that is not. */
export function notUnderstood(
  extensions: readonly Extension[],
): UnknownExtension | LargeExtension | undefined {
  for (const extension of extensions) {
    const known = (extension.kind !== 'unknown' && extension.kind !== 'large') || isTrace(extension)
    if (!known && (extension.bits & MUST_UNDERSTAND) !== 0) return extension
  }
  return undefined
}

/** `14`, or `15/258` for a large one: what REASON tells of an extension that was not understood. */
export function formatExtensionType(extension: UnknownExtension | LargeExtension): string {
  return extension.kind === 'large' ? `15/${extension.largeType}` : String(extension.type)
}

/** 0 where the start is cut or the length does not even count the start. */
function extentOf(
  codec: ExtensionCodec<KnownExtension> | undefined,
  buffer: Uint8Array,
  at: number,
  end: number,
): number {
  if (codec?.extent !== undefined) return codec.extent(buffer, at, end)
  if (end - at < BODY) return 0
  const length = buffer[at + 1]!
  return length < BODY ? 0 : length
}

function lengthOf(extension: Extension, rules: ExtensionRules): number {
  return extension.kind === 'unknown'
    ? unknownLength(extension)
    : rules.codecs.ofKind(extension.kind).length(extension)
}
