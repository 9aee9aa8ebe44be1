import { describe, expect, it } from 'vitest'
import { Agent } from '../../../src/control/agent.ts'
import {
  AGENT_INPUTS,
  AGENT_STATES,
  type AgentInput,
  type AgentState,
  agentTable,
} from '../../../src/control/agent-states.ts'
import * as codec from '../../../src/control/codec.ts'
import type { ControlMessage } from '../../../src/control/messages.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import { Random } from '../../support/random.ts'

const WELCOME: ControlMessage = {
  type: 'welcome',
  version: 1,
  controller: 'c'.repeat(32),
  pid: 1,
  leaseMs: 10_000,
  routers: [],
}

/** How each state is reached from the start; the connection is the agent's first, number 1. */
const ways: Record<AgentState, AgentInput[]> = {
  STOPPED: [],
  WAITING: ['start', 'disconnected'],
  CONNECTING: ['start'],
  GREETING: ['start', 'connected'],
  READY: ['start', 'connected', 'welcome'],
}

/**
 * `state input: next, then what the shell is asked to do`. A cell that is not here stays where it is and asks
 * for nothing.
 */
const expected = `
  STOPPED     start         CONNECTING  connect
  WAITING     stop          STOPPED
  WAITING     retryDue      CONNECTING  connect
  CONNECTING  stop          STOPPED     close
  CONNECTING  connected     GREETING    hello
  CONNECTING  disconnected  WAITING
  CONNECTING  silent        WAITING     close
  GREETING    stop          STOPPED     goodbye close
  GREETING    disconnected  WAITING
  GREETING    welcome       READY
  GREETING    goodbye       WAITING     goodbye close
  GREETING    message       WAITING     goodbye close
  GREETING    violation     WAITING     goodbye close
  GREETING    silent        WAITING     goodbye close
  READY       stop          STOPPED     goodbye close
  READY       disconnected  WAITING
  READY       welcome       WAITING     goodbye close
  READY       goodbye       WAITING     goodbye close
  READY       message       READY       pong
  READY       violation     WAITING     goodbye close
  READY       silent        WAITING     goodbye close
`

const rows = new Map(
  expected
    .trim()
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .map(([state, input, next, ...commands]) => [`${state} ${input}`, { next, commands }]),
)
const cells = AGENT_STATES.flatMap(state => AGENT_INPUTS.map(input => ({ state, input })))

function apply(agent: Agent, input: AgentInput, nowMs: number): void {
  const say = (message: ControlMessage) => agent.handleData(1, codec.emitMessage(message), nowMs)
  switch (input) {
    case 'start':
      return agent.start(nowMs)
    case 'stop':
      return agent.stop(nowMs)
    case 'connected':
      return agent.handleConnected(1, codec, nowMs)
    case 'disconnected':
      return agent.handleDisconnected(1, 'it ended', nowMs)
    case 'welcome':
      return say(WELCOME)
    case 'goodbye':
      return say({ type: 'goodbye', reason: 'stopping' })
    case 'message':
      return say({ type: 'ping' })
    case 'violation':
      return say({ type: 'endpoints', endpoints: [] })
    case 'retryDue':
      // Only where the agent waits is such a timer armed; elsewhere the moment is an ordinary one.
      return agent.handleTimeout(agent.state === 'WAITING' ? agent.nextTimeoutAt() : nowMs)
    case 'silent':
      return agent.handleTimeout(agent.state === 'WAITING' ? nowMs : agent.nextTimeoutAt())
  }
}

function agentIn(state: AgentState): Agent {
  const { bytes } = new Random(1)
  const agent = new Agent({ kind: 'host', hostId: '', hostName: '', program: '', pid: 1, randomBytes: bytes })
  for (const input of ways[state]) apply(agent, input, 0)
  takeCommands(agent)
  return agent
}

/** Commands as the messages that they send, or their type. */
function takeCommands(agent: Agent): string[] {
  const commands: string[] = []
  for (let command = agent.pollCommand(); command; command = agent.pollCommand()) {
    const message = command.type === 'send' ? codec.parseMessage(command.bytes.subarray(4)) : command
    commands.push(message instanceof WireError ? message.code : message.type)
  }
  return commands
}

describe('the state table of the agent', () => {
  it('has a cell for every state and input', () => {
    for (const { state, input } of cells) expect(agentTable[state][input]).toBeDefined()
    expect(cells).toHaveLength(50)
  })

  it.each(cells)('$state on $input', ({ state, input }) => {
    const { next, commands } = rows.get(`${state} ${input}`) ?? { next: state, commands: [] }
    const agent = agentIn(state)
    expect(agent.state).toBe(state)
    apply(agent, input, 1)
    expect(agent.state).toBe(next)
    expect(takeCommands(agent)).toEqual(commands)
    expect(agentTable[state][input].next).toBe(next)
    if (!rows.has(`${state} ${input}`)) expect(agentTable[state][input].action).toBe('ignore')
  })

  it.each(AGENT_STATES)('in %s the next deadline is the one of that state', state => {
    const at = agentIn(state).nextTimeoutAt()
    const spans = {
      STOPPED: [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
      WAITING: [50, 100],
      CONNECTING: [5000, 5000],
      GREETING: [5000, 5000],
      READY: [10_000, 10_000],
    }
    expect(at).toBeGreaterThanOrEqual(spans[state][0]!)
    expect(at).toBeLessThanOrEqual(spans[state][1]!)
  })
})

describe('the agent', () => {
  it('does not hear a connection that it has given up', () => {
    const agent = agentIn('GREETING')
    apply(agent, 'disconnected', 1)
    agent.handleTimeout(agent.nextTimeoutAt())
    expect(takeCommands(agent)).toEqual(['connect'])
    apply(agent, 'connected', 200)
    apply(agent, 'welcome', 200)
    apply(agent, 'disconnected', 200)
    expect(agent.state).toBe('CONNECTING')
    agent.handleConnected(2, codec, 200)
    expect(agent.state).toBe('GREETING')
  })

  it('does not hear what comes behind a goodbye', () => {
    const agent = agentIn('READY')
    const bytes = [
      ...codec.emitMessage({ type: 'goodbye', reason: '' }),
      ...codec.emitMessage({ type: 'ping' }),
    ]
    agent.handleData(1, Uint8Array.from(bytes), 1)
    expect(takeCommands(agent)).toEqual(['goodbye', 'close'])
  })

  it.each([
    ['a frame that is too long', Uint8Array.of(255, 255, 255, 255)],
    ['bytes that are no message', Uint8Array.of(0, 0, 0, 2, 255, 255)],
  ])('hangs up on %s', (_, bytes) => {
    const agent = agentIn('READY')
    agent.handleData(1, bytes, 1)
    expect(agent.state).toBe('WAITING')
    expect(takeCommands(agent)).toEqual(['goodbye', 'close'])
  })

  it('ignores a message that it does not know yet', () => {
    const agent = agentIn('READY')
    agent.handleData(1, Uint8Array.of(0, 0, 0, 3, 0xfa, 0x3f, 0), 1)
    expect(agent.state).toBe('READY')
    expect(takeCommands(agent)).toEqual([])
  })

  it('survives a controller that grants a lease of nothing', () => {
    const agent = agentIn('GREETING')
    agent.handleData(1, codec.emitMessage({ ...WELCOME, leaseMs: 0 }), 1)
    expect(agent.nextTimeoutAt()).toBe(51)
  })

  it('waits longer from failure to failure, never exactly as long, and starts over once it was welcome', () => {
    const agent = agentIn('STOPPED')
    agent.start(0)
    const waits: number[] = []
    let nowMs = 0
    for (let connection = 1; connection <= 12; connection++) {
      if (connection === 11) {
        agent.handleConnected(connection, codec, nowMs)
        agent.handleData(connection, codec.emitMessage(WELCOME), nowMs)
      }
      agent.handleDisconnected(connection, 'refused', nowMs)
      waits.push(agent.nextTimeoutAt() - nowMs)
      nowMs = agent.nextTimeoutAt()
      agent.handleTimeout(nowMs)
    }
    const longest = [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000, 100, 200]
    for (const [i, waitMs] of waits.entries()) {
      expect(waitMs).toBeGreaterThanOrEqual(longest[i]! / 2)
      expect(waitMs).toBeLessThanOrEqual(longest[i]!)
    }
    expect(new Set(waits).size).toBe(waits.length)
  })
})
