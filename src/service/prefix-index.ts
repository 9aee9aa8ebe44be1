/**
 * The longest-prefix match: prefixes of 0 to 256 bits, hashed a 32-bit word at a time.
 *
 * Every prefix has a slot, a small number, in which its key and its length stand (`slots.ts`); the caller keeps what it likes
 * under the same number. Above the slots lies a tree whose edges are words: under a node of depth d are the
 * prefixes that share their first d words. All edges of all nodes lie in one hash table (`edges.ts`), and lead to a
 * node or, where only one prefix is below, straight to its slot. So most lookups read one edge and one slot, two
 * cache lines, however many prefixes there are; names share words by their levels (src/wire/README.md, B3), and each
 * level shared is one more edge, 8 at most.
 *
 * A prefix that ends inside of a word has an edge too, of the word's first bits: a node knows which
 * lengths it has of those, and they are tried longest first when nothing longer matches. This is hashing by prefix length
 * (Waldvogel et al., SIGCOMM 1997, section 3) with the tree in place of its markers.
 *
 * An edge's link is a slot (slot + 1, positive) or a node (negative).
 */
import { SERVICE_ID_BITS } from '../id/service-id.ts'
import { Edges, hashAt, home, type Link, linkAt, NOTHING, next } from './edges.ts'
import { Records } from './records.ts'
import { firstBits, KEY_WORDS, Slots } from './slots.ts'

/** The answer where there is no slot. */
export const NO_SLOT = -1

/** Keys that `fetch` takes at once. */
export const FETCH_LIMIT = 64

const ROOT = 0

// A node's words.
const NODE_WORD_BITS = 3
const PARENT = 0
const WORD = 1
/** Bit n - 1: some prefix ends n bits into the next word. */
const LENGTHS = 2
/** The slot of the prefix that ends exactly here, plus one; 0 if there is none. */
const OWN = 3
/** Number of edges from here, and of prefixes that end here. */
const COUNT = 4
/** Exclusive or of what they lead to: when one is left, that one. */
const SUM = 5

export class PrefixIndex {
  readonly slots: Slots
  readonly #salt: number
  readonly #nodes = new Records(NODE_WORD_BITS)
  readonly #edges = new Edges()
  /** By node and length, how many prefixes more than one end so: few of them have a length in common. */
  readonly #moreOfLength = new Map<number, number>()
  /** Of `fetch`, by key: who is not yet at the end, at which node, by which edge on. */
  readonly #ahead = {
    walkers: new Uint8Array(FETCH_LIMIT),
    nodes: new Int32Array(FETCH_LIMIT),
    hashes: new Int32Array(FETCH_LIMIT),
  }

  /** `salt`: 32 random bits, so that nobody can choose IDs whose edges collide. */
  constructor(salt = 0, slots = new Slots()) {
    this.#salt = salt
    this.slots = slots
    this.#newNode(ROOT, 0)
  }

  /** Number of prefixes. */
  get size(): number {
    return this.slots.size
  }

  /** Nodes in use, the root among them. */
  get nodes(): number {
    return this.#nodes.size
  }

  /** Bytes of all arrays. */
  get byteLength(): number {
    return this.slots.byteLength + this.#nodes.byteLength + this.#edges.byteLength
  }

  /** HOT. The slot of the longest prefix of `key` that has at most `maxBits` bits (below 0: none has), or NO_SLOT. */
  longestMatch(key: Int32Array, maxBits = SERVICE_ID_BITS): number {
    let node = ROOT
    let depth = 0
    while (32 * (depth + 1) <= maxBits) {
      const link = this.#match(node, key, depth, maxBits)
      if (link > 0) return link - 1
      if (link === NOTHING) break
      node = -link
      depth++
    }
    for (;;) {
      const slot = this.#longestAt(node, key, depth, maxBits)
      if (slot !== NO_SLOT || node === ROOT) return slot
      node = this.#node(node, PARENT)
      depth--
    }
  }

  /**
   * HOT. Reads what `longestMatch` will read for each of `count` keys (FETCH_LIMIT at most), so that the processor waits for
   * the memory of all of them at once; the matches then find it in a cache. `slots` gets what they will probably answer.
   */
  fetch(keys: Int32Array, count: number, slots: Int32Array): void {
    const { walkers, nodes, hashes } = this.#ahead
    let walking = count
    for (let i = 0; i < count; i++) walkers[i] = i
    nodes.fill(ROOT)
    slots.fill(NO_SLOT, 0, count)
    for (let depth = 0; walking > 0 && depth < KEY_WORDS; depth++) {
      for (let w = 0; w < walking; w++) {
        const i = walkers[w]!
        hashes[w] = this.#hash(nodes[i]!, keys[KEY_WORDS * i + depth]!, 32, depth)
      }
      this.#edges.touch(hashes, walking)
      let left = 0
      for (let w = 0; w < walking; w++) {
        const i = walkers[w]!
        const link = this.#edges.guess(hashes[w]!)
        if (link > 0) slots[i] = link - 1
        if (link >= 0) continue
        nodes[i] = -link
        walkers[left++] = i
      }
      walking = left
    }
    this.slots.touch(slots, count)
  }

  /** The slot of exactly this prefix, or NO_SLOT. Bits of `key` behind it are not looked at. */
  find(key: Int32Array, bits: number): number {
    let node = ROOT
    for (let depth = 0; ; depth++) {
      const rest = bits - 32 * depth
      if (rest === 0) return this.#node(node, OWN) - 1
      if (rest < 32) return this.#followShort(node, key, depth, rest) - 1
      const link = this.#follow(node, key, depth)
      if (link === NOTHING) return NO_SLOT
      if (link > 0) {
        const slot = link - 1
        return this.slots.covers(slot, key, bits, bits) ? slot : NO_SLOT
      }
      node = -link
    }
  }

  /** The slot of a prefix, a new one where there was none. */
  insert(key: Int32Array, bits: number): number {
    const known = this.find(key, bits)
    if (known !== NO_SLOT) return known
    const slot = this.slots.take(key, bits)
    this.#put(ROOT, 0, slot, key)
    return slot
  }

  /** Forgets the prefix in a slot, which will be used again. */
  remove(slot: number): void {
    const key = this.slots.key(slot)
    const bits = this.slots.bits(slot)
    let node = ROOT
    let depth = 0
    for (; bits - 32 * depth >= 32; depth++) {
      const link = this.#follow(node, key, depth)
      if (link > 0) break
      node = -link
    }
    this.#take(node, depth, slot)
    this.#collapse(node, depth)
    this.slots.release(slot)
  }

  /** HOT. As `#follow`, but no slot whose prefix is none of `key`'s of at most `maxBits` bits. */
  #match(node: number, key: Int32Array, depth: number, maxBits: number): Link {
    const word = key[depth]!
    const leastBits = 32 * (depth + 1)
    const hash = this.#hash(node, word, 32, depth)
    const segment = this.#edges.segment(hash)
    for (let at = home(segment, hash); ; at = next(segment, at)) {
      const link = linkAt(segment, at)
      if (link === NOTHING) return NOTHING
      if (hashAt(segment, at) !== hash) continue
      // An edge of fewer bits may have the same hash, and its prefix be the key's as well.
      if (
        link > 0 ? this.slots.covers(link - 1, key, leastBits, maxBits) : this.#isChild(-link, node, word)
      ) {
        return link
      }
    }
  }

  /** Where the whole word number `depth` of `key` leads from a node. */
  #follow(node: number, key: Int32Array, depth: number): Link {
    const word = key[depth]!
    const hash = this.#hash(node, word, 32, depth)
    const segment = this.#edges.segment(hash)
    for (let at = home(segment, hash); ; at = next(segment, at)) {
      const link = linkAt(segment, at)
      if (link === NOTHING) return NOTHING
      if (hashAt(segment, at) !== hash) continue
      if (link > 0 ? this.slots.begins(link - 1, key, depth + 1) : this.#isChild(-link, node, word))
        return link
    }
  }

  /** Where the first `length` (1 to 31) bits of word number `depth` lead from a node: to a slot, or nowhere. */
  #followShort(node: number, key: Int32Array, depth: number, length: number): Link {
    const hash = this.#hash(node, firstBits(key[depth]!, length), length, depth)
    const segment = this.#edges.segment(hash)
    for (let at = home(segment, hash); ; at = next(segment, at)) {
      const link = linkAt(segment, at)
      if (link === NOTHING) return NOTHING
      if (hashAt(segment, at) !== hash || link < 0) continue
      const bits = 32 * depth + length
      if (this.slots.covers(link - 1, key, bits, bits)) return link
    }
  }

  /** The longest prefix of `key` that ends in a node or within the word behind it. */
  #longestAt(node: number, key: Int32Array, depth: number, maxBits: number): number {
    const room = maxBits - 32 * depth
    if (room < 0) return NO_SLOT
    let lengths = this.#node(node, LENGTHS) & (room < 31 ? (1 << room) - 1 : -1)
    while (lengths !== 0) {
      const length = 32 - Math.clz32(lengths)
      const link = this.#followShort(node, key, depth, length)
      if (link !== NOTHING) return link - 1
      lengths ^= 1 << (length - 1)
    }
    return this.#node(node, OWN) - 1
  }

  #isChild(node: number, parent: number, word: number): boolean {
    return this.#node(node, PARENT) === parent && this.#node(node, WORD) === word
  }

  /** Puts a slot, whose prefix is one of `key`'s, below `node`, whose `depth` words it shares. */
  #put(node: number, depth: number, slot: number, key: Int32Array): void {
    const rest = this.slots.bits(slot) - 32 * depth
    if (rest === 0) return this.#setOwn(node, slot + 1)
    if (rest < 32) {
      this.#countLength(node, rest, 1)
      return this.#addEdge(node, depth, this.slots.word(slot, depth), rest, slot + 1)
    }
    const word = key[depth]!
    const link = this.#follow(node, key, depth)
    if (link === NOTHING) return this.#addEdge(node, depth, word, 32, slot + 1)
    if (link < 0) return this.#put(-link, depth + 1, slot, key)
    const fork = this.#newNode(node, word)
    this.#relink(node, depth, word, link, -fork)
    this.#put(fork, depth + 1, link - 1, this.slots.key(link - 1))
    this.#put(fork, depth + 1, slot, key)
  }

  /** Takes away what leads from a node straight to a slot. */
  #take(node: number, depth: number, slot: number): void {
    const rest = this.slots.bits(slot) - 32 * depth
    if (rest === 0) return this.#setOwn(node, NOTHING)
    if (rest < 32) this.#countLength(node, rest, -1)
    this.#removeEdge(node, depth, this.slots.word(slot, depth), Math.min(rest, 32), slot + 1)
  }

  /** A node that has only one prefix left below gives it to its parent, and goes. */
  #collapse(node: number, depth: number): void {
    const last = this.#node(node, SUM)
    if (node === ROOT || this.#node(node, COUNT) > 1 || last < 0) return
    const parent = this.#node(node, PARENT)
    this.#take(node, depth, last - 1)
    this.#relink(parent, depth - 1, this.#node(node, WORD), -node, last)
    this.#nodes.release(node)
    this.#collapse(parent, depth - 1)
  }

  #setOwn(node: number, link: Link): void {
    this.#account(node, link === NOTHING ? -1 : 1, link ^ this.#node(node, OWN))
    this.#setNode(node, OWN, link)
  }

  #account(node: number, count: number, sum: number): void {
    this.#setNode(node, COUNT, this.#node(node, COUNT) + count)
    this.#setNode(node, SUM, this.#node(node, SUM) ^ sum)
  }

  /** One prefix more (1) or less (-1) ends so many bits into the word behind a node. */
  #countLength(node: number, length: number, change: 1 | -1): void {
    const key = 32 * node + length
    const bit = 1 << (length - 1)
    const lengths = this.#node(node, LENGTHS)
    const more = this.#moreOfLength.get(key) ?? 0
    if (change === 1 ? (lengths & bit) === 0 : more === 0) this.#setNode(node, LENGTHS, lengths ^ bit)
    else if (more + change > 0) this.#moreOfLength.set(key, more + change)
    else this.#moreOfLength.delete(key)
  }

  #addEdge(node: number, depth: number, word: number, length: number, link: Link): void {
    this.#edges.add(this.#hash(node, word, length, depth), link)
    this.#account(node, 1, link)
  }

  #relink(node: number, depth: number, word: number, from: Link, to: Link): void {
    this.#edges.relink(this.#hash(node, word, 32, depth), from, to)
    this.#account(node, 0, from ^ to)
  }

  #removeEdge(node: number, depth: number, word: number, length: number, link: Link): void {
    this.#edges.remove(this.#hash(node, word, length, depth), link)
    this.#account(node, -1, link)
  }

  /** MurmurHash3's finalizer over what names an edge. The lowest bits are the depth: edges of two depths never look alike. */
  #hash(node: number, word: number, length: number, depth: number): number {
    let hash = word ^ this.#salt ^ Math.imul(64 * node + length, 0x9e3779b1)
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    return ((hash ^ (hash >>> 16)) & ~7) | depth
  }

  #node(node: number, field: number): number {
    return this.#nodes.chunk(node)[this.#nodes.at(node) + field]!
  }

  #setNode(node: number, field: number, value: number): void {
    this.#nodes.chunk(node)[this.#nodes.at(node) + field] = value
  }

  #newNode(parent: number, word: number): number {
    const node = this.#nodes.take()
    this.#setNode(node, PARENT, parent)
    this.#setNode(node, WORD, word)
    return node
  }
}
