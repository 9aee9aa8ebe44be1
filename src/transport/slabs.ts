/**
 * Memory for what programs write, until their peers have it. Much is written into large slabs, each of one stream at a
 * time and used again and again, as making and clearing one costs more than filling it. Little is written one behind the
 * other into a slab that all streams of a process share, and that goes when the last of them has let go of it.
 */

export const LARGE_SLAB_BYTES = 65_536
/** A single byte that is never acknowledged keeps no more than this. */
const SHARED_SLAB_BYTES = 16_384
/** From so many bytes on a large slab is worth it. */
export const LARGE_WRITE_BYTES = SHARED_SLAB_BYTES
/** Large slabs that nobody uses: as many as a fast stream has under way. */
const MAX_SPARE = 64

const spare: Uint8Array[] = []

export function takeLargeSlab(): Uint8Array {
  return spare.pop() ?? new Uint8Array(LARGE_SLAB_BYTES)
}

/** Nobody must hold a view of it any more. */
export function giveLargeSlab(slab: Uint8Array): void {
  if (spare.length < MAX_SPARE) spare.push(slab)
}

/** The slab that is shared, and how much of it is taken. */
export const shared = {
  slab: new Uint8Array(SHARED_SLAB_BYTES),
  used: 0,
  renew(): void {
    this.slab = new Uint8Array(SHARED_SLAB_BYTES)
    this.used = 0
  },
}
