/** The flowID: 32 bits by which one end tells its flows apart. Zero on the wire means "not known yet". */

/** uint32; random, so that it cannot be guessed by an off-path attacker, and unique per stack (src/wire/README.md, "Control numbers"). */
export type FlowId = number

export const NO_FLOW_ID: FlowId = 0

/** A number other than zero that `taken` does not know. `randomBytes` yields n bytes of a CSPRNG. */
export function randomFlowId(
  randomBytes: (n: number) => Uint8Array,
  taken: (flowId: FlowId) => boolean = () => false,
): FlowId {
  for (;;) {
    const bytes = randomBytes(4)
    const flowId = ((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!) >>> 0
    if (flowId !== NO_FLOW_ID && !taken(flowId)) return flowId
  }
}

/** Eight lower-case hex digits, as logs and `serval flows` print it. */
export function formatFlowId(flowId: FlowId): string {
  return flowId.toString(16).padStart(8, '0')
}
