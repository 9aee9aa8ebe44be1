/**
 * Every cell of the connection table, against what RFC 9293 section 3.3.2 and the wire specification (set-up, end of
 * stream, reset) say; and, where a packet, a call or the time can reach it, against a flow that was brought there.
 */
import { describe, expect, it } from 'vitest'
import type { AnyFlow } from '../../../src/flow/any-flow.ts'
import {
  type ConnectionInput,
  connectionInputs,
  connectionTable,
} from '../../../src/flow/connection-table.ts'
import { type FlowState, flowStates } from '../../../src/flow/states.ts'
import { serviceIdOf } from '../../../src/id/name.ts'
import { Puppet } from '../../support/simulator/puppet.ts'
import { SERVICE } from '../../support/simulator/scenes.ts'
import type { SimHost } from '../../support/simulator/sim-host.ts'
import { simulate, type World } from '../../support/simulator/world.ts'
import { describeTable } from '../../support/transition-table.ts'

/**
 * What is not named here is ignored where it is a packet or the time, and illegal where it is a call. A line is state,
 * input, next state, actions.
 */
const EXPECTED = `
# Set-up: RFC 9293 section 3.5; a SYN that is refused is tried elsewhere.
INIT connect REQUEST sendSyn
INIT SYN RESPOND sendSynAck
REQUEST SYN_ACK CONNECTED sendThirdAck connected
REQUEST NACK REQUEST tryAnother
REQUEST gaveUp CLOSED closeTimedOut
RESPOND SYN RESPOND sendSynAck
RESPOND ACK CONNECTED accept
# A SYN-ACK that comes again has missed our third ACK: in every state in which the server may still wait for it.
CONNECTED SYN_ACK CONNECTED sendThirdAck
FINWAIT1 SYN_ACK FINWAIT1 sendThirdAck
CLOSEWAIT SYN_ACK CLOSEWAIT sendThirdAck
# Close: RFC 9293 section 3.6, figure 5. An end before the set-up is done is remembered.
REQUEST end REQUEST defer
CONNECTED end FINWAIT1 sendFin
CLOSEWAIT end LASTACK sendFin
CONNECTED FIN CLOSEWAIT end
FINWAIT1 FIN CLOSING end
FINWAIT2 FIN TIMEWAIT end linger
FINWAIT1 FIN_ACKED FINWAIT2
CLOSING FIN_ACKED TIMEWAIT linger
LASTACK FIN_ACKED CLOSED sendDone close
TIMEWAIT lingered CLOSED close
# Reset: RFC 9293 section 3.10.7.4. Once both streams have ended it is no error.
RESPOND RST CLOSED closeReset
CONNECTED RST CLOSED closeReset
FINWAIT1 RST CLOSED closeReset
FINWAIT2 RST CLOSED closeReset
CLOSEWAIT RST CLOSED closeReset
CLOSING RST CLOSED closeResetIfLost
LASTACK RST CLOSED closeResetIfLost
TIMEWAIT RST CLOSED close
# Abort: RFC 9293 section 3.10.5. There is nobody to tell before the peer is known, or after it has told us its end.
INIT abort CLOSED close
LISTEN abort CLOSED close
REQUEST abort CLOSED close
RESPOND abort CLOSED sendRst close
CONNECTED abort CLOSED sendRst close
FINWAIT1 abort CLOSED sendRst close
FINWAIT2 abort CLOSED sendRst close
CLOSING abort CLOSED sendRst close
CLOSEWAIT abort CLOSED sendRst close
LASTACK abort CLOSED sendRst close
TIMEWAIT abort CLOSED close
# A silent peer: RFC 9293 section 3.8.3 (R2).
RESPOND gaveUp CLOSED closeTimedOut
CONNECTED gaveUp CLOSED closeTimedOut
FINWAIT1 gaveUp CLOSED closeTimedOut
FINWAIT2 gaveUp CLOSED closeTimedOut
CLOSEWAIT gaveUp CLOSED closeTimedOut
CLOSING gaveUp CLOSED closeTimedOutIfLost
LASTACK gaveUp CLOSED closeTimedOutIfLost
`

const CALLS: readonly ConnectionInput[] = ['connect', 'end', 'abort']

const cells = describeTable({
  name: 'connection',
  states: flowStates,
  inputs: connectionInputs,
  table: connectionTable,
  expected: EXPECTED,
  otherwise: input => (CALLS.includes(input) ? 'illegal' : 'ignored'),
})

// ---- the same through a flow ------------------------------------------------------------------------------------------

interface Stage {
  readonly world: World
  readonly puppet: Puppet
  readonly host: SimHost
  readonly flow: AnyFlow
}

const serviceId = serviceIdOf(SERVICE)
const LINGER_MS = 10_000
const DEAD_MS = 5000

/** A client's flow in REQUEST, whose SYN the puppet has. */
function requesting(): Stage {
  const world = simulate(5)
  const link = world.link('net', { delayMs: 10 })
  const puppet = new Puppet(world, 'puppet', link, 'server')
  const host = world.host('host', link, { limits: { deadPeerMs: DEAD_MS } })
  // Two addresses, so that another instance may be tried.
  const targets = [puppet.port, puppet.attach(link)].map(({ endpoint }) => ({ endpoint }))
  host.rule(SERVICE, { type: 'FORWARD', targets })
  const { flow } = host.connect(SERVICE)
  world.run(15)
  return { world, puppet, host, flow }
}

/** A server's flow in RESPOND, whose SYN-ACK the puppet has. */
function responding(): Stage {
  const world = simulate(5)
  const link = world.link('net', { delayMs: 10 })
  const puppet = new Puppet(world, 'puppet', link, 'client')
  const host = world.host('host', link, { limits: { deadPeerMs: DEAD_MS } })
  host.listen(SERVICE)
  puppet.syn(host.attached[0]!.endpoint, serviceId)
  world.run(25)
  return { world, puppet, host, flow: [...host.sal.flows][0]! }
}

function then(stage: Stage, ...steps: readonly ((stage: Stage) => void)[]): Stage {
  for (const step of steps) {
    step(stage)
    stage.world.run(25)
  }
  stage.puppet.take()
  return stage
}

const synAck = ({ puppet }: Stage) => puppet.synAck()
const ack = ({ puppet }: Stage) => puppet.ack()
const fin = ({ puppet }: Stage) => puppet.fin()
const end = ({ flow, host, world }: Stage) => {
  flow.end(world.nowMs)
  host.wake()
}
const connected = () => then(requesting(), synAck, ack)

/** A flow in each state that one can be in. The puppet has acknowledged nothing that it need not have. */
const reach: Partial<Record<FlowState, () => Stage>> = {
  REQUEST: requesting,
  RESPOND: responding,
  CONNECTED: connected,
  FINWAIT1: () => then(connected(), end),
  FINWAIT2: () => then(connected(), end, ack),
  CLOSING: () => then(connected(), end, ({ puppet }) => withoutAck(puppet, () => puppet.fin())),
  CLOSEWAIT: () => then(connected(), fin),
  LASTACK: () => then(connected(), fin, end),
  TIMEWAIT: () => then(connected(), end, ack, fin),
  CLOSED: () => then(connected(), ({ puppet }) => puppet.rst()),
}

/** Says something that was said before the flow's FIN came. */
function withoutAck(puppet: Puppet, say: () => void): void {
  puppet.ackno--
  say()
  puppet.ackno++
}

/** States in which a FIN of the flow's is not acknowledged: its acknowledgement is an input of its own. */
const FIN_OUT: readonly FlowState[] = ['FINWAIT1', 'CLOSING', 'LASTACK']

/** Gives a flow an input; undefined where it cannot come from outside in any state. */
const give: Partial<Record<ConnectionInput, (stage: Stage, state: FlowState) => void>> = {
  end,
  abort: ({ flow, host, world }) => {
    flow.reset(world.nowMs)
    host.wake()
  },
  SYN: ({ puppet, host }) => puppet.syn(host.attached[0]!.endpoint, serviceId),
  SYN_ACK: ({ puppet }, state) => {
    if (state !== 'REQUEST') puppet.verno--
    puppet.synAck()
  },
  ACK: ({ puppet }) => puppet.ack(),
  NACK: ({ puppet }) => puppet.nack(),
  FIN: ({ puppet }) => puppet.fin(),
  FIN_ACKED: ({ puppet }) => puppet.ack(),
  RST: ({ puppet }) => puppet.rst(),
  gaveUp: ({ world }) => world.run(25_000),
  lingered: ({ world }) => world.run(LINGER_MS),
}

/** Cells that nothing outside can reach, and why. */
const unreachable = (state: FlowState, input: ConnectionInput): boolean => {
  const known = state !== 'REQUEST'
  switch (input) {
    // The puppet has no keys yet, or they are not the flow's.
    case 'FIN':
    case 'RST':
    case 'ACK':
    case 'FIN_ACKED':
      return !known || state === 'CLOSED' || (input === 'FIN_ACKED' && !FIN_OUT.includes(state))
    // Only who sent a SYN is answered, and only who answers one is asked again.
    case 'SYN':
      return state !== 'RESPOND'
    case 'SYN_ACK':
      return state === 'RESPOND' || state === 'CLOSED'
    case 'NACK':
      return state === 'RESPOND' || state === 'CLOSED'
    // Nothing is owed, so silence means nothing; or all is over sooner.
    case 'gaveUp':
      return ['CONNECTED', 'FINWAIT2', 'CLOSEWAIT', 'TIMEWAIT'].includes(state)
    case 'lingered':
      return state !== 'TIMEWAIT'
    // No accepted flow is in RESPOND.
    case 'end':
      return state === 'RESPOND'
    case 'connect':
      return true
    default:
      return false
  }
}

describe('a flow', () => {
  for (const { state, input, transition: cell } of cells) {
    const stageOf = reach[state]
    const act = give[input]
    if (stageOf === undefined || act === undefined || unreachable(state, input)) continue
    // A FIN in RESPOND completes the set-up too, and all that was asked at once comes after it.
    const next = state === 'RESPOND' && input === 'FIN' ? 'CLOSEWAIT' : (cell?.[0] ?? state)
    it(`in ${state} that is given ${input} is in ${next}`, () => {
      const stage = stageOf()
      expect(stage.flow.state).toBe(state)
      if (FIN_OUT.includes(state) && input !== 'FIN_ACKED') withoutAck(stage.puppet, () => act(stage, state))
      else act(stage, state)
      stage.world.run(25)
      expect(stage.flow.state).toBe(next)
      expect(stage.puppet.take()).toEqual(expect.arrayContaining(answers(cell?.slice(1) ?? [])))
    })
  }

  it('tells the program of its end as the state says', () => {
    const codeAfter = (state: FlowState, input: ConnectionInput) => {
      const stage = reach[state]!()
      give[input]!(stage, state)
      stage.world.run(25)
      return stage.flow.error?.code
    }
    expect(codeAfter('CONNECTED', 'RST')).toBe('ECONNRESET')
    expect(codeAfter('CLOSEWAIT', 'RST')).toBe('ECONNRESET')
    expect(codeAfter('LASTACK', 'RST')).toBeUndefined()
    expect(codeAfter('CLOSING', 'RST')).toBeUndefined()
    expect(codeAfter('TIMEWAIT', 'RST')).toBeUndefined()
    expect(codeAfter('FINWAIT1', 'gaveUp')).toBe('ETIMEDOUT')
    expect(codeAfter('LASTACK', 'gaveUp')).toBeUndefined()
    expect(codeAfter('REQUEST', 'gaveUp')).toBe('ETIMEDOUT')
    expect(codeAfter('CONNECTED', 'abort')).toBeUndefined()
  })

  it('that is let go of in RESPOND, as by a program that ends, is reset', () => {
    const stage = responding()
    stage.flow.close(stage.world.nowMs)
    expect(stage.flow.state).toBe('CLOSED')
  })

  it('is reset with an error in LASTACK where the peer has not all of its bytes', () => {
    const stage = connected()
    stage.flow.write(new Uint8Array(100))
    then(stage, fin)
    stage.puppet.receivedBytes = 0
    then(stage, end)
    expect(stage.flow.state).toBe('LASTACK')
    stage.puppet.rst()
    stage.world.run(25)
    expect(stage.flow.error?.code).toBe('ECONNRESET')
  })
})

/** What the peer must see of the actions. */
function answers(actions: readonly string[]): unknown[] {
  const packets: Readonly<Record<string, string>> = {
    sendSynAck: 'SYN+ACK',
    sendThirdAck: 'ACK service',
    sendFin: 'ACK+FIN end 0',
    sendRst: 'ACK+RST CLOSED',
    sendDone: 'ACK CLOSED',
  }
  return actions.flatMap(action => packets[action] ?? [])
}
