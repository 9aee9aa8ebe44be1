/** What a program under measurement does when the benchmark says so: lines on stdin, NUMBER COMMAND ARGUMENT. */
import { createInterface } from 'node:readline'
import { say } from './say.ts'

export type Commands = Readonly<Record<string, (argument: number) => object | Promise<object>>>

/** Carries out commands from now on, and answers each by its number. All programs tell by `cpu` what CPU time they have used. */
export function obey(own: Commands = {}): void {
  const commands: Commands = { cpu, ...own }
  createInterface({ input: process.stdin }).on('line', async line => {
    const [number, command = '', argument] = line.split(' ')
    say('answer', { ...(await commands[command]!(Number(argument))), number: Number(number) })
  })
}

function cpu(): object {
  const { user, system } = process.cpuUsage()
  return { cpuUs: user + system }
}
