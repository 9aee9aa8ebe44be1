/** What each counter of a router or program counts, for people. Those of a peer's faults end in what was found at fault. */
import { wireErrors } from '../../wire/wire-error.ts'

const OF_ROUTERS = {
  packets: 'came in',
  bytes: 'came in, headers included',
  forwarded: 'sent on by a rule',
  forwardedBytes: 'sent on, headers included',
  delayed: 'held by a rule DELAY',
  nacks: 'refusals that were sent',
  relayed: 'answers passed on to who had asked',
  probed: 'asked whether the router lives',
  versionHints: 'told which versions are spoken here',
  notAllowed: 'dropped: sender is not in --allow',
  misdirected: 'dropped: of a flow, or an answer to what was not sent on',
  hopLimit: 'refused: no hops left',
  loop: 'refused: had been here before',
  routeFull: 'refused: more routers on the way than ROUTE can name',
  noService: 'refused: no rule for the name',
  droppedByRule: 'refused by a rule DROP',
  delayTimedOut: 'refused: no rule came within 5 s of a DELAY',
  delayEvicted: 'refused: more waited by DELAY than is kept',
  delayRefused: 'refused: a DELAY for which nobody serves the name',
  noLocal: 'dropped: no socket of the address family of the target',
  tooLong: 'dropped: would be longer than a packet may be',
  outputFull: 'dropped: too much waited to be sent',
  linkFull: 'dropped: the socket took no more',
  sendErrors: 'dropped: the system refused to send',
  answersLimited: 'not answered: an address gets 200 answers a second',
  // Of the 2014 profile.
  broadcast: 'dropped: it was for all hosts of a subnet',
  ownHost: 'dropped: its rule leads to this host',
  queueFull: 'dropped: too much waited to be sent',
} as const

const OF_PROGRAMS = {
  answerLimited: 'not answered: 200 refusals or resets a second to an address, 256 that wait',
  amplificationLimit: 'held back: three times what an unproven address had sent',
  backlogFull: 'SYNs dropped: the listener’s backlog was full',
  halfOpenGaveWay: 'half-open connections that gave way to others',
  cookieAsked: 'SYNs to be sent again with a cookie: many were under way',
  routeUntrusted: 'SYNs by way of an unknown router, to be sent again directly',
  synRefused: 'SYNs refused: nobody listens, or what they ask for is not spoken',
  synNoService: 'SYNs for what nobody serves here',
  unknownFlow: 'for a flow that is not here',
  unproven: 'from an address that its flow’s peer has not proven',
  localGone: 'came to an address that had just gone',
  unexpected: 'not what the state of things allows',
  early: 'came before the connection was set up',
  malformed: 'are no packets',
  unknownVersion: 'of a version that is not spoken here',
  notUnderstood: 'insist on an extension that is not known here',
  badAck: 'acknowledge what was never sent',
  badAckno: 'acknowledge a control packet that was never sent',
  badNonce: 'without the nonce of their flow',
  badTag: 'without a valid TAG',
  nackForged: 'refusals without the nonce of the SYN',
  cookieForged: 'cookies without the nonce of the SYN',
  controlRepeated: 'control packets that came again',
  controlTooFar: 'control packets too far ahead',
  echoUnknown: 'echoes of what was not asked',
  rstUntagged: 'resets without TAG, which are asked about',
  finConflict: 'ends of the stream that contradict each other',
  rsynStale: 'moves that a later one had overtaken',
  rsynAckStale: 'answers to moves that a later one had overtaken',
  rsynAckElsewhere: 'answers to moves that came to another address',
  candidateDropped: 'addresses that a peer might have moved to, not proven',
  rebindingRefused: 'addresses that a peer might have by a NAT, not proven',
  receiveMemoryShort: 'windows that memory kept small',
  datagramQueueFull: 'messages that gave way: too many waited to be sent',
  datagramInboxFull: 'messages that gave way: too many waited to be read',
  datagramNoService: 'messages for what nobody has bound',
  datagramDropped: 'messages that a rule DROP drops',
  datagramTooLong: 'messages longer than the path takes',
  datagramNotUnderstood: 'messages that name no service, or insist on the unknown',
  lostBatches: 'batches for a link that had just closed',
} as const

const MEANINGS = new Map(Object.entries({ ...OF_PROGRAMS, ...OF_ROUTERS }))
const WIRE_ERRORS: ReadonlyMap<string, string> = new Map(
  Object.values(wireErrors).map(({ code, message }) => [code, message]),
)

/** By their beginning, up to the colon: what follows is the case. */
const FAMILIES = new Map(
  Object.entries<(rest: string) => string | undefined>({
    send: code => `the system refused to send: ${code}`,
    datagram: code => WIRE_ERRORS.get(code) && `messages: ${WIRE_ERRORS.get(code)}`,
    connection: rest => `ignored in this state of the connection: ${rest}`,
    migration: rest => `ignored in this state of a move: ${rest}`,
  }),
)

/** Undefined: there is no such counter. */
export function meaningOf(counter: string): string | undefined {
  const [family = '', ...rest] = counter.split(':')
  if (rest.length > 0) return FAMILIES.get(family)?.(rest.join(':'))
  return MEANINGS.get(counter) ?? WIRE_ERRORS.get(counter)
}
