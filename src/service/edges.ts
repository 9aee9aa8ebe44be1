/**
 * The edges of the tree in `prefix-index.ts`: a hash table of eight bytes an edge, its hash and what it leads to. Which of
 * several edges of one hash is meant, who looks knows.
 *
 * It is made of segments, each a table of its own with open addressing. One that is too full is split in two by the next bit
 * of the hashes (extendible hashing: Fagin et al., ACM TODS 4(3), 1979), so a table of a million edges grows by moving a
 * few thousand, and nobody waits for it.
 */

/** What an edge leads to; 0: there is none. */
export type Link = number
export const NOTHING: Link = 0

// An edge's words.
const HASH = 0
const LINK = 1
/** Behind its edges a segment has its number of them, and how many high bits of their hashes are the same. */
const TAIL_WORDS = 2

/** A segment fuller than this grows, or is split from so many places on. */
const MAX_LOAD = 0.8
const SPLIT_FROM = 16_384
const LEAST_PLACES = 8
/** Low bits of a hash that say nothing about where it stands. */
const TAG_BITS = 3
/** With more bits in common hashes are no more what they should be. */
const MAX_COMMON_BITS = 14

export class Edges {
  /** By the high bits of a hash; several may lead to the same one. */
  #segments: Int32Array[] = [newSegment(LEAST_PLACES, 1), newSegment(LEAST_PLACES, 1)]
  #shift = 31
  /** Means nothing: a use for what is only read, as the compiler leaves out what has none. */
  touched = 0

  get byteLength(): number {
    return [...new Set(this.#segments)].reduce((sum, segment) => sum + segment.byteLength, 0)
  }

  /**
   * HOT. The segment in which the edges of a hash stand: from `home` on, `next` after `next`, until `linkAt` says NOTHING.
   * Good until an edge is added.
   */
  segment(hash: number): Int32Array {
    return this.#segments[hash >>> this.#shift]!
  }

  /** HOT. Reads where the edges of the first `count` hashes begin, so that they are in a cache when they are wanted. */
  touch(hashes: Int32Array, count: number): void {
    const segments = this.#segments
    const shift = this.#shift
    let touched = 0
    for (let i = 0; i < count; i++) {
      const segment = segments[hashes[i]! >>> shift]!
      touched ^= linkAt(segment, home(segment, hashes[i]!))
    }
    this.touched = touched
  }

  /** HOT. What the first edge of this very hash leads to, which need not be the one that is meant. */
  guess(hash: number): Link {
    const segment = this.segment(hash)
    let at = home(segment, hash)
    while (linkAt(segment, at) !== NOTHING && hashAt(segment, at) !== hash) at = next(segment, at)
    return linkAt(segment, at)
  }

  add(hash: number, link: Link): void {
    while (isFull(this.segment(hash))) this.#makeRoom(hash)
    place(this.segment(hash), hash, link)
  }

  /** The edge of a hash that leads to `from`, which must be there, leads to `to`. */
  relink(hash: number, from: Link, to: Link): void {
    const segment = this.segment(hash)
    segment[find(segment, hash, from) + LINK] = to
  }

  /** Closes the gap behind it: what had been pushed on moves back (Knuth, TAOCP 3, 6.4, algorithm R). */
  remove(hash: number, link: Link): void {
    const segment = this.segment(hash)
    const last = 2 * placesOf(segment) - 1
    let gap = find(segment, hash, link)
    for (let at = next(segment, gap); linkAt(segment, at) !== NOTHING; at = next(segment, at)) {
      const from = home(segment, hashAt(segment, at))
      if (((at - from) & last) < ((at - gap) & last)) continue
      segment[gap + HASH] = hashAt(segment, at)
      segment[gap + LINK] = linkAt(segment, at)
      gap = at
    }
    segment[gap + LINK] = NOTHING
    segment[countAt(segment)]!--
  }

  /** The segment of a hash is replaced by a larger one, or by two. */
  #makeRoom(hash: number): void {
    const full = this.segment(hash)
    const bits = full[bitsAt(full)]!
    const places = placesOf(full)
    if (places < SPLIT_FROM || bits === MAX_COMMON_BITS) {
      const larger = newSegment(2 * places, bits)
      return this.#replace(full, hash, bits, () => larger)
    }
    if (32 - bits === this.#shift) {
      this.#segments = this.#segments.flatMap(segment => [segment, segment])
      this.#shift--
    }
    const halves = [newSegment(places, bits + 1), newSegment(places, bits + 1)] as const
    this.#replace(full, hash, bits, hash => halves[((hash >>> (31 - bits)) & 1) as 0 | 1])
  }

  #replace(full: Int32Array, hash: number, bits: number, segmentOf: (hash: number) => Int32Array): void {
    for (let at = 0; at < 2 * placesOf(full); at += 2) {
      if (linkAt(full, at) === NOTHING) continue
      place(segmentOf(hashAt(full, at)), hashAt(full, at), linkAt(full, at))
    }
    const known = 32 - this.#shift - bits
    const first = ((hash >>> this.#shift) >>> known) << known
    for (let i = first; i < first + (1 << known); i++) this.#segments[i] = segmentOf(i << this.#shift)
  }
}

/** Where the search for a hash begins. */
export function home(segment: Int32Array, hash: number): number {
  return 2 * ((hash >>> TAG_BITS) & (placesOf(segment) - 1))
}

export function next(segment: Int32Array, at: number): number {
  return (at + 2) & (2 * placesOf(segment) - 1)
}

export function hashAt(segment: Int32Array, at: number): number {
  return segment[at + HASH]!
}

export function linkAt(segment: Int32Array, at: number): Link {
  return segment[at + LINK]!
}

function newSegment(places: number, commonBits: number): Int32Array {
  const segment = new Int32Array(2 * places + TAIL_WORDS)
  segment[bitsAt(segment)] = commonBits
  return segment
}

function placesOf(segment: Int32Array): number {
  return (segment.length - TAIL_WORDS) >>> 1
}

function countAt(segment: Int32Array): number {
  return segment.length - 2
}

function bitsAt(segment: Int32Array): number {
  return segment.length - 1
}

function isFull(segment: Int32Array): boolean {
  return segment[countAt(segment)]! >= MAX_LOAD * placesOf(segment)
}

function place(segment: Int32Array, hash: number, link: Link): void {
  let at = home(segment, hash)
  while (linkAt(segment, at) !== NOTHING) at = next(segment, at)
  segment[at + HASH] = hash
  segment[at + LINK] = link
  segment[countAt(segment)]!++
}

function find(segment: Int32Array, hash: number, link: Link): number {
  let at = home(segment, hash)
  while (hashAt(segment, at) !== hash || linkAt(segment, at) !== link) at = next(segment, at)
  return at
}
