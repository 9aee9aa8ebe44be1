/** Every cell of a table of transitions, against a text that says of each what a specification says. */
import { describe, expect, it } from 'vitest'

export interface TransitionTable<State extends string, Input extends string> {
  /** As in "the connection table". */
  readonly name: string
  readonly states: readonly State[]
  readonly inputs: readonly Input[]
  readonly table: Readonly<Record<State, Readonly<Record<Input, unknown>>>>
  /** A line is state, input, next state, actions; or a comment behind #. */
  readonly expected: string
  /** What the cells hold that are not named there. */
  otherwise(input: Input): string
}

export interface Cell<State extends string, Input extends string> {
  readonly state: State
  readonly input: Input
  /** Next state and actions; undefined: none. */
  readonly transition: readonly string[] | undefined
}

/** Returns every cell. */
export function describeTable<State extends string, Input extends string>(
  subject: TransitionTable<State, Input>,
): readonly Cell<State, Input>[] {
  const { name, states, inputs, table } = subject
  const expected = parsed(subject.expected)
  const cells = states.flatMap(state =>
    inputs.map(input => {
      return { state, input, transition: expected.get(`${state} ${input}`) }
    }),
  )

  describe(`the ${name} table`, () => {
    it('has every state and input that the expectation names', () => {
      const names = new Set(cells.map(({ state, input }) => `${state} ${input}`))
      expect([...expected.keys()].filter(key => !names.has(key))).toEqual([])
      expect(expected.size).toBeGreaterThan(0)
    })

    for (const { state, input, transition } of cells) {
      const cell = transition ?? subject.otherwise(input)
      it(`${state}, ${input}: ${typeof cell === 'string' ? cell : cell.join(' ')}`, () => {
        expect(table[state][input]).toEqual(cell)
      })
    }
  })
  return cells
}

/** The next state and the actions, by state and input. */
function parsed(text: string): ReadonlyMap<string, readonly string[]> {
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map(line => {
      const [state, input, ...cell] = line.split(' ')
      return [`${state} ${input}`, cell]
    }),
  )
}
