/** `serval rules`: the service table of a running router or host, to look at and to change. */
import type { Command } from 'commander'
import { parseServicePattern } from '../../id/name.ts'
import { ServicePrefix } from '../../id/service-prefix.ts'
import { loadConfig } from '../../net/config.ts'
import { RuleClient, type RuleOutcome } from '../../net/rule-client.ts'
import { type ChangeVerb, type Complaint, isByHand, type RuleProgress } from '../../net/rule-status.ts'
import { parsePattern } from '../arguments.ts'
import { Failure, UsageError } from '../failure.ts'
import { toldToStop } from '../lifetime.ts'
import { type Listing, type ListingOptions, showListing } from '../listing.ts'
import { printJson, printLine, printNote } from '../output.ts'
import { type HostProcess, processesOf, processOption, theProcess, titleOf } from '../processes.ts'
import { nameOfFile, readRuleFile } from '../rule-file.ts'
import { inOrder, type RuleRow, rowsOf, ruleColumns } from '../rules/rule-table.ts'
import { ProgressLine } from '../terminal.ts'
import { count } from '../units.ts'

interface ProcessOptions {
  readonly of?: string
  readonly json?: boolean
}

export function addRules(program: Command): void {
  const rules = program
    .command('rules')
    .summary('list and edit the rules of a router')
    .description(
      'Lists and edits the service table of a router of this host, or of any other process with a stack (--of), ' +
        'while it runs. Rules set here stand beside those of others, last as long as the process, and take the place ' +
        'of what its command line said of the same pattern. What a controller said is its own to take back.',
    )
    .addHelpText('after', FORMS)
  addList(rules)
  addEdits(rules)
  addFiles(rules)
}

const FORMS = `
A rule is one of
  PATTERN FORWARD [OPTION ...] TARGET, ...
  PATTERN DELAY
  PATTERN DROP [why]
a PATTERN a name, *.name, a raw ID with an optional /bits, or default, and an
OPTION balance=, to=all, slow-start=, eject=, spill= or hedge=. A TARGET is
  ADDRESS:PORT [stream|datagram] [weight N] [priority N]
At a router of profile 2014 there are no ports, and :PORT is left out.

Examples:
  $ serval rules list '*.example'
  $ serval rules add web.example FORWARD 10.0.0.7:7000 weight 2
  $ serval rules mod web.example FORWARD 10.0.0.8:7000, 10.0.0.9:7000
  $ serval rules del web.example 10.0.0.9:7000
  $ serval rules export > my.rules; serval rules import my.rules`

function addList(rules: Command): void {
  rules
    .command('list')
    .summary('show rules, their origin and what they got')
    .description(
      'Shows the rules of each process that can be asked, or of one: where from, to whom, how much.',
    )
    .argument('[pattern]', 'only what is under it: *.example, web.example', parsePattern)
    .addOption(processOption())
    .option('--watch', 'again every second, until it is told to end')
    .option('--json', 'as JSON (rules.schema.json)')
    .addHelpText('after', examples("rules list '*.example'", "rules list --json | jq '.processes[].rules'"))
    .action((pattern: string | undefined, { of, ...options }: ProcessOptions & ListingOptions) =>
      showListing(() => listRules(pattern, of), options),
    )
}

function addEdits(rules: Command): void {
  const edits = [
    [
      'add',
      'set a rule',
      'Sets a rule beside those that are there. A target that was set by hand is refused.',
    ],
    [
      'mod',
      'put a rule in the place of what was set',
      'Puts a rule in the place of all that was set by hand for its pattern, at once.',
    ],
  ] as const
  for (const [verb, summary, description] of edits) {
    rules
      .command(verb)
      .summary(summary)
      .description(description)
      .argument('<rule...>', 'PATTERN FORWARD ADDRESS:PORT, PATTERN DROP ...: see serval rules --help')
      .addOption(processOption())
      .option('--json', 'print what was done as JSON (rules-change.schema.json)')
      .addHelpText('after', examples(`rules ${verb} web.example FORWARD 10.0.0.7:7000`))
      .action((words: string[], options: ProcessOptions) =>
        change(options, '', client => client.change(verb, [[1, words.join(' ')]])),
      )
  }
  rules
    .command('del')
    .summary('take away what was set')
    .description('Takes away what was set by hand for a pattern, or one of its targets.')
    .argument('<pattern>', 'as in serval rules list', parsePattern)
    .argument('[target...]', 'ADDRESS:PORT, for all that it takes, or ADDRESS:PORT stream|datagram')
    .addOption(processOption())
    .option('--json', 'print what was done as JSON (rules-change.schema.json)')
    .addHelpText('after', examples(...DELETIONS))
    .action((pattern: string, words: string[], options: ProcessOptions) =>
      change(options, '', client => client.remove(pattern, words.join(' ') || null)),
    )
}

const DELETIONS = [
  'rules del web.example',
  'rules del web.example 10.0.0.7:7000',
  'rules del web.example 10.0.0.7:7000 datagram',
]

function addFiles(rules: Command): void {
  rules
    .command('import')
    .summary('set the rules of a file')
    .description(
      'Sets all rules of a file, one a line, or, if one of them cannot be, none. A target that is set already takes ' +
        'what the file says of it.',
    )
    .argument('<file>', 'the rules; # begins a comment; - for standard input')
    .option('--replace', 'and take away all else that was set by hand')
    .addOption(processOption())
    .option('--json', 'print what was done as JSON (rules-change.schema.json)')
    .addHelpText('after', examples('rules import my.rules', 'rules import --replace my.rules'))
    .action((file: string, options: ProcessOptions & { replace?: boolean }) => {
      const verb: ChangeVerb = options.replace ? 'replace' : 'import'
      const staged = readRuleFile(file, 'rules import')
      const line = new ProgressLine(process.stderr)
      const all = count(staged.length, 'rule')
      const showProgress = ({ step, rules }: RuleProgress) =>
        line.show(COUNTED_STEPS.has(step) ? `${step}: ${rules} of ${all}` : `${step}: ${all}`)
      return change(options, nameOfFile(file), client =>
        client.change(verb, staged, showProgress).finally(() => line.show('')),
      )
    })
  rules
    .command('export')
    .summary('print rules as import reads them')
    .description('Prints what was set by hand, a rule a line, as import and serval router --rules read it.')
    .argument('[pattern]', 'only what is under it', parsePattern)
    .option('--all', 'what others said too, as comments')
    .addOption(processOption())
    .addHelpText('after', examples('rules export > my.rules', 'rules export --all'))
    .action(exportRules)
}

const COUNTED_STEPS: ReadonlySet<RuleProgress['step']> = new Set(['reading', 'checking', 'setting'])

function examples(...lines: readonly string[]): string {
  return ['', 'Examples:', ...lines.map(line => `  $ serval ${line}`)].join('\n')
}

async function listRules(pattern: string | undefined, of: string | undefined): Promise<Listing<RuleRow>> {
  const under = pattern === undefined ? ServicePrefix.all : parseServicePattern(pattern)
  const processes = await Promise.all(
    (await processesOf(of)).map(async process => {
      const { path: _, ...shown } = process
      return { ...shown, rules: inOrder(await ask(process, client => client.list(under))) }
    }),
  )
  const rows = processes.flatMap(({ pid, rules }) => rules.flatMap(rule => rowsOf(rule, pid)))
  return {
    rows,
    columns: ruleColumns(rows, processes.length > 1),
    json: { processes },
    ifEmpty: `no rules${pattern === undefined ? '' : ` under ${pattern}`} (asked ${placeOf(processes)})`,
  }
}

function placeOf(processes: readonly { readonly pid: number }[]): string {
  if (processes.length === 0) return `${loadConfig().runtimeDir}, where nothing runs`
  return `pid ${processes.map(({ pid }) => pid).join(', ')}`
}

async function exportRules(
  pattern: string | undefined,
  { of, all = false }: ProcessOptions & { readonly all?: boolean },
): Promise<void> {
  const under = pattern === undefined ? ServicePrefix.all : parseServicePattern(pattern)
  const entries = inOrder(await ask(await theProcess(of), client => client.list(under, { uncounted: true })))
  for (const rule of entries.flatMap(({ rules }) => rules)) {
    if (isByHand(rule)) printLine(rule.text)
    else if (all) printLine(`# ${rule.source}: ${rule.text}`)
  }
}

/** Asks for a change and says what it came to. `file`: where the rules stand, '' for the command line. */
async function change(
  { of, json = false }: ProcessOptions,
  file: string,
  request: (client: RuleClient) => Promise<RuleOutcome>,
): Promise<void> {
  const process = await theProcess(of)
  const outcome = await Promise.race([ask(process, request), toldToStop()])
  if (typeof outcome === 'string')
    throw new Failure(
      `stopped; ${titleOf(process)} goes on with what it has begun to set: see serval rules list`,
    )
  if ('refused' in outcome) throw refusal(outcome.refused, file)
  const { set, removed } = outcome.changed
  const { kind, pid, program, instance } = process
  if (json) return printJson({ kind, pid, program, instance, set, removed })
  const parts = [
    ...(set > 0 || removed === 0 ? [`${count(set, 'rule')} set`] : []),
    ...(removed > 0 ? [`${count(removed, 'target')} taken away`] : []),
  ]
  printLine(`${titleOf(process)}: ${parts.join(', ')}`)
}

/** The first complaints are notes, the last is what the command fails with. */
function refusal(complaints: readonly Complaint[], file: string): UsageError {
  const lines = complaints.map(({ line, message }) =>
    file === '' || line === null ? message : `${file}:${line}: ${message}`,
  )
  if (lines.length === 1) return new UsageError(lines[0])
  for (const line of lines) printNote(line)
  return new UsageError('nothing has been changed')
}

async function ask<T>(process: HostProcess, request: (client: RuleClient) => Promise<T>): Promise<T> {
  try {
    return await request(new RuleClient(process.path))
  } catch (error) {
    throw new Failure(`${titleOf(process)}: ${(error as Error).message}`, { cause: error })
  }
}
