/** What commands print: data as JSON, one value a line, where `--json` asks for it. */

/** One line on stdout. */
export function printLine(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** One JSON value on one line of stdout. */
export function printJson(value: unknown): void {
  printLine(JSON.stringify(value))
}

/** For people and logs, on stderr: what is printed on stdout may be read by a program. */
export function printNote(line: string): void {
  process.stderr.write(`serval: ${line}\n`)
}

/**
 * The line that a long-running command prints once it can be used: `ready router 127.0.0.1:54325 pid 42`, or under
 * `--json` an object as in ready.schema.json.
 */
export function printReady(isJson: boolean, ready: Ready): void {
  if (isJson) return printJson({ event: 'ready', ...ready, pid: process.pid })
  const { command, ...rest } = ready
  const details = Object.entries(rest).map(([key, value]) => `${key} ${[value].flat().join(',')}`)
  printLine(['ready', command, ...details, `pid ${process.pid}`].join(' '))
}

/** Where a command can be reached, by the names that the options and variables have for it. */
export interface Ready {
  readonly command: 'router' | 'controller' | 'perf server'
  readonly [detail: string]: string | readonly string[]
}
