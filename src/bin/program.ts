/** `serval` and its commands: what they have in common is here, each command is a file of commands/. */
import { Command, CommanderError } from 'commander'
import { loadConfig } from '../net/config.ts'
import { version } from '../net/version.ts'
import { useCapture } from './capture-option.ts'
import { addController } from './commands/controller.ts'
import { addCounters } from './commands/counters.ts'
import { addDemo } from './commands/demo.ts'
import { addDump } from './commands/dump.ts'
import { addFlows } from './commands/flows.ts'
import { addPerf } from './commands/perf.ts'
import { addPing } from './commands/ping.ts'
import { addRouter } from './commands/router.ts'
import { addRules } from './commands/rules.ts'
import { addServices } from './commands/services.ts'
import { addTrace } from './commands/trace.ts'
import { type ExitStatus, exitStatus, explain, statusOf, ToldFailure } from './failure.ts'

/** Runs the command that `args` name (without the program's own name) to its end. Never rejects. */
export async function run(args: readonly string[]): Promise<ExitStatus> {
  const program = createProgram()
  try {
    await program.parseAsync(args, { from: 'user' })
    return exitStatus.ok
  } catch (error) {
    const isTold = error instanceof CommanderError || error instanceof ToldFailure
    if (!isTold) process.stderr.write(`serval: ${explain(error)}\n`)
    return statusOf(error)
  }
}

function createProgram(): Command {
  const program = new Command('serval')
    .description('Service-centric networking: connect to a name, and keep the flow when either end moves.')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'say how it is used')
    .helpCommand('help [command]', 'say how a command is used')
    .configureHelp({ helpWidth: HELP_COLUMNS, sortSubcommands: false })
    .configureOutput({ outputError: (text, write) => write(asOneLine(text)) })
    .showSuggestionAfterError()
    .exitOverride()
    .hook('preAction', (_program, command) => {
      useCapture(command)
      checkConfig(command)
    })
    .addHelpText('after', ABOUT)
  for (const add of COMMANDS) add(program)
  return program
}

/** In the order of the help. */
const COMMANDS = [
  ...[addRouter, addController, addServices, addFlows, addRules, addCounters],
  ...[addPing, addTrace, addPerf, addDump, addDemo],
]

/** Everything is readable on the smallest terminal that is still common. */
const HELP_COLUMNS = 80

const ABOUT = `
Settings come from serval.json in the working directory (or SERVAL_CONFIG), then
SERVAL_* variables, then options. Exit status: 0 done, 1 failed, 2 wrong usage.

Examples:
  $ serval demo                       see it work, on this machine alone
  $ serval router                     let other hosts find services here
  $ serval ping web.example           does anybody serve web.example?`

/** What is wrong with the configuration is said at once, whichever of it a command uses. The demo uses none. */
function checkConfig(command: Command): void {
  if (command.name() !== 'demo') loadConfig()
}

/** Commander's words in our form: `serval: unknown option '--wiegth' (Did you mean --weight?)`. */
function asOneLine(text: string): string {
  const line = text
    .replace(/^error: /, '')
    .trim()
    .replace(/\s*\n\s*/g, ' ')
  return `serval: ${line}\n`
}
