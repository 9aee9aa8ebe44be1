/** What a program under measurement does when the benchmark says so: lines on stdin, NUMBER COMMAND ARGUMENT. */
import { createInterface } from 'node:readline'
import { say } from './say.ts'

export type Commands = Readonly<Record<string, (argument: number) => object | Promise<object>>>

/** Carries out commands from now on, and answers each by its number. */
export function obey(commands: Commands): void {
  createInterface({ input: process.stdin }).on('line', async line => {
    const [number, command = '', argument] = line.split(' ')
    say('answer', { ...(await commands[command]!(Number(argument))), number: Number(number) })
  })
}
