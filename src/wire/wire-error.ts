/**
 * What is wrong with bytes from outside. A `parse` returns one of these instead of a value; it never throws.
 * They are singletons: comparing with `wireErrors.truncated`, counting by `.code`, and telling them from a
 * value with `instanceof WireError` cost nothing per packet.
 */

export class WireError {
  readonly code: string
  readonly message: string

  constructor(code: string, message: string) {
    this.code = code
    this.message = message
    Object.freeze(this)
  }

  toString(): string {
    return `${this.code}: ${this.message}`
  }
}

export const wireErrors = {
  truncated: new WireError('truncated', 'the bytes end before the header they start'),
  badLength: new WireError('bad-length', 'a length field contradicts what it measures'),
  badChecksum: new WireError('bad-checksum', 'the checksum does not match'),
  badValue: new WireError('bad-value', 'a field holds a value that has no meaning there'),
  badVersion: new WireError('bad-version', 'the header is of a version that is not spoken here'),
  unknownExtension: new WireError('unknown-extension', 'an extension of this type cannot be skipped'),
  tooManyExtensions: new WireError(
    'too-many-extensions',
    'there are more extensions than the profile allows',
  ),
  duplicateExtension: new WireError('duplicate-extension', 'an extension is there more often than it may be'),
  misalignedExtension: new WireError(
    'misaligned-extension',
    'an extension is no multiple of four bytes long',
  ),
  tagNotLast: new WireError('tag-not-last', 'an extension follows TAG'),
  unequalLength: new WireError('unequal-length', 'a packet in a batch is longer than the first one'),
  afterShort: new WireError(
    'after-short',
    'bytes follow the packet of a batch that is shorter than the first',
  ),
} as const
