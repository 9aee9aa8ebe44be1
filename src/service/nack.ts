/**
 * The answer to a SYN that nobody takes (src/wire/README.md, "Set-up and keys"): untagged, so a hint only, tied to its SYN by flowID and
 * nonce, and never larger than it.
 */
import { NO_FLOW_ID } from '../id/flow-id.ts'
import { serialAdd } from '../id/serial.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { control, controlFlags } from '../wire/extensions/control.ts'
import { isTrace, type LargeExtension, traceAnswer } from '../wire/extensions/large.ts'
import { reason } from '../wire/extensions/reason.ts'
import { packetLength, SalPacket } from '../wire/packet.ts'
import type { Profile } from '../wire/profile.ts'

/**
 * The NACK for a SYN, of `reasonCodes`, given by `from`, which it says where the SYN has TRACE. `detail`, for people, and then
 * `from` are left out where they would make the answer larger than the SYN. By the SYN's ROUTE, which it repeats, routers can pass it on to the client.
 * Undefined if `syn` has no control extension: nothing to answer.
 */
export function nackFor(
  syn: SalPacket,
  code: number,
  detail: string,
  from: Endpoint | undefined,
  profile: Profile,
): SalPacket | undefined {
  if (syn.control === undefined) return undefined
  const { verno, nonce, reserved: attempt } = syn.control
  const way = syn.extension('route')
  const traced = from !== undefined && syn.extensions.some(isTrace) ? [traceAnswer(from)] : []
  const nack = (text: string, who: readonly LargeExtension[]) =>
    new SalPacket({
      srcFlowId: NO_FLOW_ID,
      dstFlowId: syn.srcFlowId,
      protocol: syn.protocol,
      extensions: [
        control(controlFlags.NACK, 0, serialAdd(verno, 1), nonce, attempt),
        reason(code, text),
        ...(way ? [way] : []),
        ...who,
      ],
    })
  const fits = (answer: SalPacket) => packetLength(answer, profile) <= packetLength(syn, profile)
  return [nack(detail, traced), nack('', traced)].find(fits) ?? nack('', [])
}
