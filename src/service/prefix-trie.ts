/**
 * The longest-prefix match: a path-compressed binary trie over 256-bit keys, in typed arrays.
 *
 * Every node stands for a prefix (key, bits) and keeps one number, or none where two prefixes only part.
 * A node's children begin with its own bits and differ in the bit that follows; a chain of nodes with one
 * child and no number never exists, so n prefixes take fewer than 2n nodes and a lookup compares at most
 * 32 bytes in all, whatever the depth. Lookups allocate nothing. Nodes are numbers, freed ones are reused.
 *
 * The idea is that of radix trees in BSD routing tables; bit 0 is the highest bit of byte 0, as everywhere here.
 */
import { SERVICE_ID_BITS, SERVICE_ID_BYTES } from '../id/service-id.ts'

const ROOT = 0
/** No child: the root is nobody's child. */
const NONE = 0
const NO_VALUE = -1

/** A map from prefixes of 0 to 256 bits to numbers from 0 to 2^31 - 1. */
export class PrefixTrie {
  #keys = new Uint8Array(16 * SERVICE_ID_BYTES)
  #bits = new Uint16Array(16)
  #values = new Int32Array(16).fill(NO_VALUE)
  #children = new Uint32Array(2 * 16)
  /** Nodes ever used; those freed since are chained by their first child, from `#free` on. */
  #used = 1
  #free = NONE
  #nodes = 1
  #size = 0

  /** Number of prefixes that have a value. */
  get size(): number {
    return this.#size
  }

  /** Number of nodes, below twice the prefixes but for the root. */
  get nodes(): number {
    return this.#nodes
  }

  /** The value of the longest prefix of `key` that has at most `maxBits` bits (below 0: none has), or -1. */
  longestMatch(key: Uint8Array, maxBits = SERVICE_ID_BITS): number {
    const bits = this.#bits
    let node = ROOT
    let best = maxBits < 0 ? NO_VALUE : this.#values[ROOT]!
    for (;;) {
      const depth = bits[node]!
      if (depth >= maxBits) return best
      node = this.#children[2 * node + bitAt(key, depth)]!
      if (node === NONE) return best
      const nodeBits = bits[node]!
      if (nodeBits > maxBits || !this.#covers(node, key, depth)) return best
      const value = this.#values[node]!
      if (value !== NO_VALUE) best = value
    }
  }

  /** The value of exactly this prefix, or -1. */
  valueOf(key: Uint8Array, bits: number): number {
    const node = this.#highestWithin(key, bits)
    return node !== undefined && this.#bits[node] === bits ? this.#values[node]! : NO_VALUE
  }

  /** Sets the value of a prefix. Bits of `key` behind the prefix are not looked at. */
  insert(key: Uint8Array, bits: number, value: number): void {
    let node = ROOT
    for (;;) {
      const depth = this.#bits[node]!
      if (depth === bits) break
      const side = 2 * node + bitAt(key, depth)
      const child = this.#children[side]!
      if (child === NONE) {
        node = this.#link(side, this.#newNode(key, bits))
        break
      }
      const common = this.#commonBits(child, key, Math.min(bits, this.#bits[child]!), depth)
      if (common < this.#bits[child]!) {
        const fork = this.#newNode(key, common)
        this.#children[2 * fork + bitAt(this.#keys, common, child * SERVICE_ID_BYTES)] = child
        this.#link(side, fork)
        node = fork
      } else {
        node = child
      }
    }
    if (this.#values[node] === NO_VALUE) this.#size++
    this.#values[node] = value
  }

  /** Forgets a prefix. False where it had no value. */
  remove(key: Uint8Array, bits: number): boolean {
    let grandparent = ROOT
    let parent = ROOT
    let node = ROOT
    while (this.#bits[node]! < bits) {
      const depth = this.#bits[node]!
      const child = this.#children[2 * node + bitAt(key, depth)]!
      if (child === NONE || this.#bits[child]! > bits || !this.#covers(child, key, depth)) return false
      grandparent = parent
      parent = node
      node = child
    }
    if (this.#bits[node] !== bits || this.#values[node] === NO_VALUE) return false
    this.#values[node] = NO_VALUE
    this.#size--
    this.#compress(node, parent)
    this.#compress(parent, grandparent)
    return true
  }

  /** The values of all prefixes that begin with (`key`, `bits`), a shorter one before those under it. */
  valuesUnder(key: Uint8Array, bits: number): number[] {
    const values: number[] = []
    const top = this.#highestWithin(key, bits)
    const pending = top === undefined ? [] : [top]
    for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
      const value = this.#values[node]!
      if (value !== NO_VALUE) values.push(value)
      for (const child of [this.#children[2 * node + 1]!, this.#children[2 * node]!]) {
        if (child !== NONE) pending.push(child)
      }
    }
    return values
  }

  /** The node nearest to the root that has at least `bits` bits and begins with this prefix. */
  #highestWithin(key: Uint8Array, bits: number): number | undefined {
    let node = ROOT
    while (this.#bits[node]! < bits) {
      const depth = this.#bits[node]!
      node = this.#children[2 * node + bitAt(key, depth)]!
      if (node === NONE) return undefined
      const compared = Math.min(bits, this.#bits[node]!)
      if (this.#commonBits(node, key, compared, depth) < compared) return undefined
    }
    return node
  }

  /** Takes a node without a value out where fewer than two children need it. */
  #compress(node: number, parent: number): void {
    if (node === ROOT || this.#values[node] !== NO_VALUE) return
    const left = this.#children[2 * node]!
    const right = this.#children[2 * node + 1]!
    if (left !== NONE && right !== NONE) return
    const side = this.#children[2 * parent] === node ? 2 * parent : 2 * parent + 1
    this.#children[side] = left === NONE ? right : left
    this.#children[2 * node] = this.#free
    this.#free = node
    this.#nodes--
  }

  #link(side: number, node: number): number {
    this.#children[side] = node
    return node
  }

  #newNode(key: Uint8Array, bits: number): number {
    let node = this.#free
    if (node !== NONE) {
      this.#free = this.#children[2 * node]!
    } else {
      node = this.#used++
      if (node === this.#bits.length) this.#grow()
    }
    this.#keys.set(key.subarray(0, SERVICE_ID_BYTES), node * SERVICE_ID_BYTES)
    this.#bits[node] = bits
    this.#values[node] = NO_VALUE
    this.#children[2 * node] = NONE
    this.#children[2 * node + 1] = NONE
    this.#nodes++
    return node
  }

  #grow(): void {
    const capacity = 2 * this.#bits.length
    this.#keys = copyInto(new Uint8Array(capacity * SERVICE_ID_BYTES), this.#keys)
    this.#bits = copyInto(new Uint16Array(capacity), this.#bits)
    this.#values = copyInto(new Int32Array(capacity), this.#values)
    this.#children = copyInto(new Uint32Array(2 * capacity), this.#children)
  }

  /** Whether `key` begins with the node's prefix, where the first `from` bits are known to be equal. */
  #covers(node: number, key: Uint8Array, from: number): boolean {
    const bits = this.#bits[node]!
    return this.#commonBits(node, key, bits, from) === bits
  }

  /** How many leading bits `key` shares with the node's key, `limit` at most, the first `from` taken as equal. */
  #commonBits(node: number, key: Uint8Array, limit: number, from: number): number {
    const base = node * SERVICE_ID_BYTES
    for (let i = from >>> 3; i << 3 < limit; i++) {
      const difference = this.#keys[base + i]! ^ key[i]!
      if (difference !== 0) return Math.min((i << 3) + Math.clz32(difference) - 24, limit)
    }
    return limit
  }
}

function bitAt(key: Uint8Array, bit: number, offset = 0): number {
  return (key[offset + (bit >>> 3)]! >>> (7 - (bit & 7))) & 1
}

function copyInto<T extends Uint8Array | Uint16Array | Int32Array | Uint32Array>(larger: T, smaller: T): T {
  larger.set(smaller)
  return larger
}
