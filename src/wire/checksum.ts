/** The Internet checksum (RFC 1071): the ones'-complement of the ones'-complement sum of 16-bit words. */

/**
 * Sum of `buffer[start, end)` as 16-bit words, an odd last byte padded with zero, added to `sum`; unfolded.
 * For 65,535 bytes at most.
 */
export function sumWords(buffer: Uint8Array, start: number, end: number, sum = 0): number {
  let total = sum
  const even = end - ((end - start) & 1)
  // A packet has less than 2^15 words, so the total stays below 2^32 without folding on the way.
  for (let i = start; i < even; i += 2) total += (buffer[i]! << 8) | buffer[i + 1]!
  return even < end ? total + (buffer[even]! << 8) : total
}

/** Folds a sum below 2^32 to the 16 bits that a checksum field holds. */
export function foldChecksum(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16)
  return ~((once & 0xffff) + (once >>> 16)) & 0xffff
}

/** Checksum of `buffer[start, end)`, whose own checksum field is zero; 0 where one verifies a filled field. */
export function checksum(buffer: Uint8Array, start: number, end: number, sum = 0): number {
  return foldChecksum(sumWords(buffer, start, end, sum))
}

/**
 * Sum of the pseudo-header in front of TCP and UDP: source, destination (both of 4 or both of 16 bytes),
 * protocol and length of the transport bytes. Without addresses they count as zero, which is what an
 * unconnected native datagram does, for routers send it on (README.md, "Layers").
 */
export function pseudoHeaderSum(
  protocol: number,
  lengthBytes: number,
  source?: Uint8Array,
  destination?: Uint8Array,
): number {
  let sum = protocol + (lengthBytes >>> 16) + (lengthBytes & 0xffff)
  if (source !== undefined) sum = sumWords(source, 0, source.length, sum)
  if (destination !== undefined) sum = sumWords(destination, 0, destination.length, sum)
  return sum
}
