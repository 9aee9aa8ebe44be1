/**
 * The longest-prefix match: prefixes of 0 to 256 bits, hashed a 32-bit word at a time.
 *
 * Every prefix has a slot, a small number, in which its key and its length stand; the caller keeps what it likes under
 * the same number. Above the slots lies a tree whose edges are words: under a node of depth d are the
 * prefixes that share their first d words. All edges of all nodes lie in one hash table, eight bytes each, and lead to a
 * node or, where only one prefix is below, straight to its slot. So most lookups read one edge and one key, two
 * cache lines, however many prefixes there are; names share words by their levels (src/wire/README.md, B3), and each
 * level shared is one more edge, 8 at most.
 *
 * A prefix that ends inside of a word has an edge too, of the word's first bits: a node knows which
 * lengths it has of those, and they are tried longest first when nothing longer matches. This is hashing by prefix length
 * (Waldvogel et al., SIGCOMM 1997, section 3) with the tree in place of its markers.
 *
 * Keys are eight 32-bit words; the highest bit of the first is bit 0.
 */
import { SERVICE_ID_BITS, SERVICE_ID_BYTES, ServiceId } from '../id/service-id.ts'
import { ServicePrefix } from '../id/service-prefix.ts'

export const KEY_WORDS = SERVICE_ID_BITS / 32

/** The answer where there is no slot. */
export const NO_SLOT = -1

/** What an edge leads to: a slot (slot + 1, positive), a node (negative), or, of an edge that is none, 0. */
type Link = number
const NOTHING: Link = 0

const ROOT = 0
/** `bits` of a slot that is free. */
const FREE = 0xffff

// A node's words; the number of its parent stands in for the next free node in those that are free.
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
const NODE_WORDS = 6

// An edge's words.
const HASH = 0
const LINK = 1

/** A hash table fuller than this grows. */
const MAX_LOAD = 0.8
const GROWTH = 1.25

export class PrefixIndex {
  readonly #salt: number
  #keys = new Int32Array(16 * KEY_WORDS)
  #bits = new Uint16Array(16).fill(FREE)
  #usedSlots = 0
  readonly #freeSlots: number[] = []

  #nodes = new Int32Array(4 * NODE_WORDS)
  #usedNodes = 1
  #freeNode = ROOT
  #nodeCount = 1

  /** By node and length, how many prefixes more than one end so: few of them have a length in common. */
  readonly #moreOfLength = new Map<number, number>()

  #edges = new Int32Array(2 * 16)
  #edgeCount = 0
  /** Which high bits of a hash say where to begin: growing keeps the order, and so reads and writes in order. */
  #shift = 28

  /** `salt`: 32 random bits, so that nobody can choose IDs whose edges collide. */
  constructor(salt = 0) {
    this.#salt = salt
  }

  /** Number of prefixes. */
  get size(): number {
    return this.#usedSlots - this.#freeSlots.length
  }

  /** Slots are numbers below this; not all of them are in use. */
  get slotLimit(): number {
    return this.#usedSlots
  }

  /** Slots that there is room for. */
  get capacity(): number {
    return this.#bits.length
  }

  /** Nodes in use, the root among them. */
  get nodes(): number {
    return this.#nodeCount
  }

  /** Bytes of all arrays. */
  get byteLength(): number {
    return this.#keys.byteLength + this.#bits.byteLength + this.#nodes.byteLength + this.#edges.byteLength
  }

  /** Length of the prefix in a slot. */
  bitsOf(slot: number): number {
    return this.#bits[slot]!
  }

  prefixOf(slot: number): ServicePrefix {
    const bytes = new Uint8Array(SERVICE_ID_BYTES)
    const view = new DataView(bytes.buffer)
    for (let i = 0; i < KEY_WORDS; i++) view.setInt32(4 * i, this.#wordOf(slot, i))
    return new ServicePrefix(ServiceId.fromBytes(bytes), this.#bits[slot]!)
  }

  /** Whether a prefix is in a slot that begins with (`key`, `bits`), whose bits behind it are 0. */
  isUnder(slot: number, key: Int32Array, bits: number): boolean {
    if (this.#bits[slot] === FREE || this.#bits[slot]! < bits) return false
    const whole = bits >>> 5
    for (let i = 0; i < whole; i++) if (this.#wordOf(slot, i) !== key[i]) return false
    const rest = bits & 31
    return rest === 0 || firstBits(this.#wordOf(slot, whole), rest) === key[whole]
  }

  /** Orders slots by the bits of their prefixes, a shorter one before those that it covers: below, or above 0. */
  compare(a: number, b: number): number {
    for (let i = 0; i < KEY_WORDS; i++) {
      const difference = (this.#wordOf(a, i) >>> 0) - (this.#wordOf(b, i) >>> 0)
      if (difference !== 0) return difference
    }
    return this.#bits[a]! - this.#bits[b]!
  }

  /** HOT. The slot of the longest prefix of `key` that has at most `maxBits` bits (below 0: none has), or NO_SLOT. */
  longestMatch(key: Int32Array, maxBits = SERVICE_ID_BITS): number {
    let node = ROOT
    let depth = 0
    while (32 * (depth + 1) <= maxBits) {
      const link = this.#follow(node, key, depth)
      if (link > 0) {
        const slot = link - 1
        if (this.#bits[slot]! <= maxBits && this.#covers(slot, key, depth + 1)) return slot
        break
      }
      if (link === NOTHING) break
      node = -link
      depth++
    }
    for (;;) {
      const slot = this.#longestAt(node, key, depth, maxBits)
      if (slot !== NO_SLOT || node === ROOT) return slot
      node = this.#nodes[node * NODE_WORDS + PARENT]!
      depth--
    }
  }

  /** The slot of exactly this prefix, or NO_SLOT. Bits of `key` behind it are not looked at. */
  find(key: Int32Array, bits: number): number {
    let node = ROOT
    for (let depth = 0; ; depth++) {
      const rest = bits - 32 * depth
      if (rest === 0) return this.#nodes[node * NODE_WORDS + OWN]! - 1
      if (rest < 32) return this.#followShort(node, key, depth, rest) - 1
      const link = this.#follow(node, key, depth)
      if (link === NOTHING) return NO_SLOT
      if (link > 0) {
        const slot = link - 1
        return this.#bits[slot] === bits && this.#covers(slot, key, depth + 1) ? slot : NO_SLOT
      }
      node = -link
    }
  }

  /** The slot of a prefix, a new one where there was none. */
  insert(key: Int32Array, bits: number): number {
    const known = this.find(key, bits)
    if (known !== NO_SLOT) return known
    const slot = this.#newSlot(key, bits)
    this.#put(ROOT, 0, slot)
    return slot
  }

  /** Forgets the prefix in a slot, which will be used again. */
  remove(slot: number): void {
    const key = this.#keyOf(slot)
    const bits = this.#bits[slot]!
    let node = ROOT
    let depth = 0
    for (; bits - 32 * depth >= 32; depth++) {
      const link = this.#follow(node, key, depth)
      if (link > 0) break
      node = -link
    }
    this.#take(node, depth, slot)
    this.#collapse(node, depth)
    this.#bits[slot] = FREE
    this.#freeSlots.push(slot)
  }

  /** Where the whole word number `depth` of `key` leads from a node. */
  #follow(node: number, key: Int32Array, depth: number): Link {
    const word = key[depth]!
    const hash = this.#hash(node, word, 32, depth)
    const edges = this.#edges
    for (let at = this.#home(hash); ; at = this.#next(at)) {
      const link = edges[at + LINK]!
      if (link === NOTHING) return NOTHING
      if (edges[at + HASH] !== hash) continue
      if (link > 0 ? this.#begins(link - 1, key, depth + 1) : this.#isChild(-link, node, word)) return link
    }
  }

  /** Where the first `length` (1 to 31) bits of word number `depth` lead from a node: to a slot, or nowhere. */
  #followShort(node: number, key: Int32Array, depth: number, length: number): Link {
    const hash = this.#hash(node, firstBits(key[depth]!, length), length, depth)
    const edges = this.#edges
    for (let at = this.#home(hash); ; at = this.#next(at)) {
      const link = edges[at + LINK]!
      if (link === NOTHING) return NOTHING
      if (edges[at + HASH] !== hash || link < 0) continue
      if (this.#bits[link - 1] === 32 * depth + length && this.#covers(link - 1, key, 0)) return link
    }
  }

  /** The longest prefix of `key` that ends in a node or within the word behind it. */
  #longestAt(node: number, key: Int32Array, depth: number, maxBits: number): number {
    const room = maxBits - 32 * depth
    if (room < 0) return NO_SLOT
    const at = node * NODE_WORDS
    let lengths = this.#nodes[at + LENGTHS]! & (room < 31 ? (1 << room) - 1 : -1)
    while (lengths !== 0) {
      const length = 32 - Math.clz32(lengths)
      const link = this.#followShort(node, key, depth, length)
      if (link !== NOTHING) return link - 1
      lengths ^= 1 << (length - 1)
    }
    return this.#nodes[at + OWN]! - 1
  }

  /** Whether a slot's prefix has at least `words` words, and begins as `key` does. */
  #begins(slot: number, key: Int32Array, words: number): boolean {
    if (this.#bits[slot]! < 32 * words) return false
    const at = slot * KEY_WORDS
    for (let i = 0; i < words; i++) if (this.#keys[at + i] !== key[i]) return false
    return true
  }

  /** Whether `key` has a slot's prefix, where the first `from` words are known to be equal. */
  #covers(slot: number, key: Int32Array, from: number): boolean {
    const bits = this.#bits[slot]!
    const at = slot * KEY_WORDS
    const whole = bits >>> 5
    for (let i = from; i < whole; i++) if (this.#keys[at + i] !== key[i]) return false
    const rest = bits & 31
    return rest === 0 || firstBits(key[whole]!, rest) === this.#keys[at + whole]
  }

  #isChild(node: number, parent: number, word: number): boolean {
    const at = node * NODE_WORDS
    return this.#nodes[at + PARENT] === parent && this.#nodes[at + WORD] === word
  }

  /** Puts a slot below `node`, whose `depth` words it shares. */
  #put(node: number, depth: number, slot: number): void {
    const rest = this.#bits[slot]! - 32 * depth
    if (rest === 0) return this.#setOwn(node, slot + 1)
    if (rest < 32) {
      this.#countLength(node, rest, 1)
      return this.#addEdge(node, depth, this.#wordOf(slot, depth), rest, slot + 1)
    }
    const key = this.#keyOf(slot)
    const word = key[depth]!
    const link = this.#follow(node, key, depth)
    if (link === NOTHING) return this.#addEdge(node, depth, word, 32, slot + 1)
    if (link < 0) return this.#put(-link, depth + 1, slot)
    const fork = this.#newNode(node, word)
    this.#relink(node, depth, word, link, -fork)
    this.#put(fork, depth + 1, link - 1)
    this.#put(fork, depth + 1, slot)
  }

  /** Takes away what leads from a node straight to a slot. */
  #take(node: number, depth: number, slot: number): void {
    const rest = this.#bits[slot]! - 32 * depth
    if (rest === 0) return this.#setOwn(node, NOTHING)
    if (rest < 32) this.#countLength(node, rest, -1)
    this.#removeEdge(node, depth, this.#wordOf(slot, depth), Math.min(rest, 32), slot + 1)
  }

  /** A node that has only one prefix left below gives it to its parent, and goes. */
  #collapse(node: number, depth: number): void {
    const at = node * NODE_WORDS
    const last = this.#nodes[at + SUM]!
    if (node === ROOT || this.#nodes[at + COUNT]! > 1 || last < 0) return
    const parent = this.#nodes[at + PARENT]!
    this.#take(node, depth, last - 1)
    this.#relink(parent, depth - 1, this.#nodes[at + WORD]!, -node, last)
    this.#nodes[at + PARENT] = this.#freeNode
    this.#freeNode = node
    this.#nodeCount--
    this.#collapse(parent, depth - 1)
  }

  #setOwn(node: number, link: Link): void {
    const at = node * NODE_WORDS
    this.#account(node, link === NOTHING ? -1 : 1, link ^ this.#nodes[at + OWN]!)
    this.#nodes[at + OWN] = link
  }

  #account(node: number, count: number, sum: number): void {
    this.#nodes[node * NODE_WORDS + COUNT]! += count
    this.#nodes[node * NODE_WORDS + SUM]! ^= sum
  }

  /** One prefix more (1) or less (-1) ends so many bits into the word behind a node. */
  #countLength(node: number, length: number, change: 1 | -1): void {
    const key = 32 * node + length
    const at = node * NODE_WORDS + LENGTHS
    const bit = 1 << (length - 1)
    const more = this.#moreOfLength.get(key) ?? 0
    if (change === 1 ? (this.#nodes[at]! & bit) === 0 : more === 0) this.#nodes[at]! ^= bit
    else if (more + change > 0) this.#moreOfLength.set(key, more + change)
    else this.#moreOfLength.delete(key)
  }

  #addEdge(node: number, depth: number, word: number, length: number, link: Link): void {
    if (++this.#edgeCount > MAX_LOAD * (this.#edges.length / 2)) this.#growEdges()
    this.#place(this.#hash(node, word, length, depth), link)
    this.#account(node, 1, link)
  }

  #relink(node: number, depth: number, word: number, from: Link, to: Link): void {
    this.#edges[this.#edgeAt(this.#hash(node, word, 32, depth), from) + LINK] = to
    this.#account(node, 0, from ^ to)
  }

  /** Closes the gap behind it: what had been pushed on moves back (Knuth, TAOCP 3, 6.4, algorithm R). */
  #removeEdge(node: number, depth: number, word: number, length: number, link: Link): void {
    const edges = this.#edges
    const mask = edges.length - 1
    let gap = this.#edgeAt(this.#hash(node, word, length, depth), link)
    for (let at = this.#next(gap); edges[at + LINK] !== NOTHING; at = this.#next(at)) {
      const home = this.#home(edges[at + HASH]!)
      if (((at - home) & mask) < ((at - gap) & mask)) continue
      edges[gap + HASH] = edges[at + HASH]!
      edges[gap + LINK] = edges[at + LINK]!
      gap = at
    }
    edges[gap + LINK] = NOTHING
    this.#edgeCount--
    this.#account(node, -1, link)
  }

  /** Where the edge of a hash that leads to `link` stands; it must be there. */
  #edgeAt(hash: number, link: Link): number {
    let at = this.#home(hash)
    while (this.#edges[at + HASH] !== hash || this.#edges[at + LINK] !== link) at = this.#next(at)
    return at
  }

  #place(hash: number, link: Link): void {
    let at = this.#home(hash)
    while (this.#edges[at + LINK] !== NOTHING) at = this.#next(at)
    this.#edges[at + HASH] = hash
    this.#edges[at + LINK] = link
  }

  #home(hash: number): number {
    return 2 * (hash >>> this.#shift)
  }

  #next(at: number): number {
    return (at + 2) & (this.#edges.length - 1)
  }

  #growEdges(): void {
    const old = this.#edges
    this.#edges = new Int32Array(2 * old.length)
    this.#shift--
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + LINK] !== NOTHING) this.#place(old[at + HASH]!, old[at + LINK]!)
    }
  }

  /** MurmurHash3's finalizer over what names an edge. The lowest bits are the depth: edges of two depths never look alike. */
  #hash(node: number, word: number, length: number, depth: number): number {
    let hash = word ^ this.#salt ^ Math.imul(64 * node + length, 0x9e3779b1)
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    return ((hash ^ (hash >>> 16)) & ~7) | depth
  }

  /** Bits behind the prefix are 0. */
  #wordOf(slot: number, i: number): number {
    return this.#keys[slot * KEY_WORDS + i]!
  }

  #keyOf(slot: number): Int32Array {
    return this.#keys.subarray(slot * KEY_WORDS, (slot + 1) * KEY_WORDS)
  }

  #newSlot(key: Int32Array, bits: number): number {
    const slot = this.#freeSlots.pop() ?? this.#usedSlots++
    if (slot === this.#bits.length) {
      const capacity = Math.ceil(GROWTH * slot)
      this.#keys = copyInto(new Int32Array(capacity * KEY_WORDS), this.#keys)
      this.#bits = copyInto(new Uint16Array(capacity).fill(FREE), this.#bits)
    }
    this.#bits[slot] = bits
    for (let i = 0; i < KEY_WORDS; i++) {
      const length = Math.min(32, Math.max(0, bits - 32 * i))
      this.#keys[slot * KEY_WORDS + i] = length === 0 ? 0 : firstBits(key[i]!, length)
    }
    return slot
  }

  #newNode(parent: number, word: number): number {
    let node = this.#freeNode
    if (node !== ROOT) this.#freeNode = this.#nodes[node * NODE_WORDS + PARENT]!
    else {
      node = this.#usedNodes++
      if (node * NODE_WORDS === this.#nodes.length) {
        this.#nodes = copyInto(new Int32Array(2 * this.#nodes.length), this.#nodes)
      }
    }
    this.#nodes.fill(0, node * NODE_WORDS, (node + 1) * NODE_WORDS)
    this.#nodes[node * NODE_WORDS + PARENT] = parent
    this.#nodes[node * NODE_WORDS + WORD] = word
    this.#nodeCount++
    return node
  }
}

/** The first 1 to 32 bits of a word, the others 0. */
function firstBits(word: number, length: number): number {
  return word & (-1 << (32 - length))
}

function copyInto<T extends Int32Array | Uint16Array>(larger: T, smaller: T): T {
  larger.set(smaller)
  return larger
}
