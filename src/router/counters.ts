/** Packets of a router by what became of them; `bytes` and `forwardedBytes` count from the shim on. */
export type RouterCounters = ReturnType<typeof newRouterCounters>

export function newRouterCounters() {
  return {
    packets: 0,
    bytes: 0,
    forwarded: 0,
    forwardedBytes: 0,
    delayed: 0,
    nacks: 0,
    versionHints: 0,
    /** No packet, or a buffer of packets whose rest is none. */
    malformed: 0,
    unknownVersion: 0,
    /** Nothing for a router: of a flow, or an answer. */
    misdirected: 0,
    /** From a host that may not send this way. */
    notAllowed: 0,
    /** Answers that went back along ROUTE. */
    relayed: 0,
    /** Had no hops left. */
    hopLimit: 0,
    /** Had been here before. */
    loop: 0,
    /** ROUTE has no room for another router. */
    routeFull: 0,
    noService: 0,
    /** Asked for what nobody can have, to know whether this router lives (router-probe.ts). */
    probed: 0,
    droppedByRule: 0,
    delayTimedOut: 0,
    delayEvicted: 0,
    delayRefused: 0,
    /** No socket of the target's address family. */
    noLocal: 0,
    /** Would have become longer than a packet may be. */
    tooLong: 0,
    outputFull: 0,
    answersLimited: 0,
  }
}
