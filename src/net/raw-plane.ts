/** Forwards a router's packets in the 2014 profile: in this thread, over raw IP. */
import { isOnLink, type Local } from '../flow/path.ts'
import type { AllowList } from '../router/allow-list.ts'
import { Router2014 } from '../router/router-2014.ts'
import type { Network } from './links/link.ts'
import { randomBytes } from './random.ts'
import type { RouterPlane, RouterPlaneEvents } from './router-plane.ts'
import { ThreadPlane } from './thread-plane.ts'

/** Whoever sends a packet on is believed; and nothing waits here: DELAY is a rule of the native profile's routers. */
export function rawPlane(network: Network, allowed: AllowList, events: RouterPlaneEvents): RouterPlane {
  const locals = new Map<number, Local>()
  const core = new Router2014({
    randomBytes,
    allowed,
    exitTowards: remote => [...locals.values()].find(local => isOnLink(local, remote))?.id,
  })
  return new ThreadPlane({
    network,
    core,
    locals,
    onEvent: () => undefined,
    onSendError: code => events.onSendError(code),
  })
}
