/** Asks a program of bench/peers to do something, and waits for its answer (peers/commands.ts). */
import type { Program, ProgramEvent } from '../../test/support/lab/program.ts'

export type Ask = (command: string, argument?: number) => Promise<ProgramEvent>

/** Opening many flows takes as long as it takes. */
const PATIENCE_MS = 600_000

/** Rejects where the program ends without an answer. */
export function asking(program: Program): Ask {
  let asked = 0
  return (command, argument = 0) => {
    const number = ++asked
    program.say(`${number} ${command} ${argument}`)
    return program.event('answer', answer => answer.number === number, PATIENCE_MS)
  }
}

/** The CPU time that programs have used so far, together. */
export async function cpuUsOf(programs: readonly Ask[]): Promise<number> {
  const answers = await Promise.all(programs.map(ask => ask('cpu')))
  return answers.reduce((sum, answer) => sum + answer.cpuUs, 0)
}

/** Of an answer, the figures. */
export function figuresOf({
  event: _,
  number: __,
  ...figures
}: ProgramEvent): Readonly<Record<string, number>> {
  return figures
}
