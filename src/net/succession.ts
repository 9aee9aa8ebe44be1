/**
 * What a router tells the one that takes its place. While both have the same addresses the kernel shares what comes among them,
 * and an answer may reach the one that has not sent the SYN on: it relays it all the same, as it knows the other's entries in ROUTE
 * for its own. Told at the status socket, to this user's processes alone.
 */
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'
import type { RuntimeDirectory } from './runtime-dir.ts'
import type { StackStatus, Succession } from './status.ts'
import { askStacks } from './status-client.ts'

export interface Heir {
  readonly hostId: string
  readonly endpoints: readonly Endpoint[]
  /** Its own status socket. */
  readonly statusSocket: string | undefined
}

/** SYNs wait meanwhile: no longer than a client waits until it repeats one. */
const PATIENCE_MS = 500

/** Of the router that has an address of the heir's; undefined: there is none, or it is too old to say. */
export async function askForSuccession(
  directory: RuntimeDirectory,
  heir: Heir,
): Promise<Succession | undefined> {
  const places = new Set(heir.endpoints.map(formatEndpoint))
  const isPredecessor = ({ hostId, endpoints, succession }: StackStatus) =>
    succession !== undefined && hostId === heir.hostId && endpoints.some(place => places.has(place))
  const options = { except: heir.statusSocket, isEnough: isPredecessor, patienceMs: PATIENCE_MS }
  const answers = await askStacks(directory, { ask: 'succession' }, options)
  return answers.find(isPredecessor)?.succession
}
