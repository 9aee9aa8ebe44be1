/** Base32 (RFC 4648 section 6) in lower case and without padding: keys that fit into a label of a name. */

export function base32Encode(bytes: Uint8Array): string {
  let text = ''
  let held = 0
  let heldBits = 0
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff
    for (heldBits += 8; heldBits >= 5; heldBits -= 5) text += ALPHABET[(held >> (heldBits - 5)) & 31]
  }
  return heldBits === 0 ? text : text + ALPHABET[(held << (5 - heldBits)) & 31]
}

/** undefined for other characters, an impossible length, or bits left over that are not zero. */
export function base32Decode(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let length = 0
  let held = 0
  let heldBits = 0
  for (const character of text) {
    const value = ALPHABET.indexOf(character)
    if (value < 0) return undefined
    held = ((held << 5) | value) & 0xfff
    heldBits += 5
    if (heldBits < 8) continue
    heldBits -= 8
    bytes[length++] = (held >> heldBits) & 0xff
  }
  // One spelling for each value: no character that carries nothing, no stray bits in the last one.
  return heldBits < 5 && (held & ((1 << heldBits) - 1)) === 0 ? bytes : undefined
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
