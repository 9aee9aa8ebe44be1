/** Who had better meet the same target again: packets from one client for one service, in 32 bits. */
import { SERVICE_ID_BYTES, type ServiceId } from '../../id/service-id.ts'

/** `client`: an address, or what else tells clients apart. */
export function affinityOf(client: string, id: Pick<ServiceId, 'byteAt'>): number {
  let hash = fnv(client, OFFSET_BASIS)
  for (let i = 0; i < SERVICE_ID_BYTES; i++) hash = Math.imul(hash ^ id.byteAt(i), PRIME)
  return mix(hash)
}

/** A 32-bit hash, another one for each seed. */
export function hashText(text: string, seed: number): number {
  return mix(fnv(text, OFFSET_BASIS ^ seed))
}

// FNV-1a.
const OFFSET_BASIS = 0x811c9dc5
const PRIME = 0x01000193

function fnv(text: string, start: number): number {
  let hash = start
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), PRIME)
  return hash
}

/** MurmurHash3's finalizer, for the last characters that FNV leaves in the low bits: 32 bits, every one of which matters to all. */
export function mix(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
