/** A few bytes that a flow keeps for its life, as text: a byte a character, where a view takes two hundred more. */

export function packed(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}

/** Writes them to the start of `into`, and returns that part. */
export function unpacked(text: string, into: Uint8Array): Uint8Array {
  for (let i = 0; i < text.length; i++) into[i] = text.charCodeAt(i)
  return into.length === text.length ? into : into.subarray(0, text.length)
}
