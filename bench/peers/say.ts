import { holdObjects } from '../support/held-objects.ts'

/** From the program's start to its end. */
export const held = holdObjects()

/** What programs under measurement tell the benchmark: a line of JSON on stdout. */
export function say(event: string, details: Readonly<Record<string, unknown>> = {}): void {
  process.stdout.write(`${JSON.stringify({ event, ...details })}\n`)
}
