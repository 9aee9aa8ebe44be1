/** Where a stack answers, and to whom that means something. */
import type { Local } from '../flow/path.ts'
import { isLoopback } from '../id/address.ts'
import type { Endpoint } from '../wire/endpoint.ts'

/** All of them, those that other hosts may know first. */
export function ownEndpoints(locals: readonly Local[]): Endpoint[] {
  const loopback = locals.map(({ endpoint }) => endpoint).filter(({ address }) => isLoopback(address))
  return [...publicEndpoints(locals), ...loopback]
}

/** Neither loopback nor link-local: what means the same on other hosts. */
export function publicEndpoints(locals: readonly Local[]): Endpoint[] {
  return locals
    .map(({ endpoint }) => endpoint)
    .filter(({ address }) => !isLoopback(address) && !address.includes('%'))
}
