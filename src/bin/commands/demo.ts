/** `serval demo`: the main job on one machine, live. Also `npm start`. */
import type { Command } from 'commander'
import { secondsWithin } from '../arguments.ts'
import { drawPicture, PICTURE_COLUMNS, PICTURE_ROWS } from '../demo/picture.ts'
import { Play, SERVICE } from '../demo/play.ts'
import { MAX_SECONDS, MIN_SECONDS } from '../demo/script.ts'
import { describe, summarize } from '../demo/summary.ts'
import { Failure } from '../failure.ts'
import { toldToStop } from '../lifetime.ts'
import { printJson, printLine } from '../output.ts'
import { LiveBlock, type Terminal, terminalOf } from '../terminal.ts'
import { count, formatBytes } from '../units.ts'

interface DemoOptions {
  readonly seconds: number
  readonly json?: boolean
}

export function addDemo(program: Command): void {
  program
    .command('demo')
    .summary('see it work, on this machine alone')
    .description(
      'Runs the main job on this machine, with processes, directory and ports of its own: a controller, a router, ' +
        'replicas of a file server, and clients that download and verify. A replica is added, one is killed, ' +
        'clients change their address in mid-download.',
    )
    .option('--seconds <n>', 'how long it lasts', secondsWithin({ min: MIN_SECONDS, max: MAX_SECONDS }), 30)
    .option('--json', 'print nothing but one JSON object at the end (demo.schema.json)')
    .addHelpText('after', EXAMPLES)
    .action(demo)
}

const EXAMPLES = `
The exit status is 0 only if the SHA-256 of every download was right, and all
that was to happen has happened.

Examples:
  $ serval demo
  $ serval demo --seconds 10 --json | jq .moves`

async function demo({ seconds, json }: DemoOptions): Promise<void> {
  const play = new Play(seconds)
  void toldToStop().then(reason => play.stop(new Failure(`stopped by ${reason}`)))
  const show = json ? SILENCE : showOf(play, terminalOf(process.stdout))
  const timer = setInterval(() => show.update(), show.everyMs)
  try {
    await play.perform()
  } catch (error) {
    play.scene.fail(play.nowMs, (error as Error).message)
  } finally {
    clearInterval(timer)
    show.end()
  }
  const summary = summarize(play, SERVICE)
  if (json) printJson(summary)
  else for (const line of ['', ...describe(summary)]) printLine(line)
  if (!summary.ok)
    throw new Failure(`the demo failed: ${summary.errors.join('; ') || 'nothing was downloaded'}`)
}

interface Show {
  readonly everyMs: number
  update(): void
  end(): void
}

const SILENCE: Show = { everyMs: 1000, update: () => undefined, end: () => undefined }

function showOf(play: Play, terminal: Terminal): Show {
  const isLargeEnough = terminal.columns >= PICTURE_COLUMNS && terminal.rows > PICTURE_ROWS
  return terminal.isInteractive && isLargeEnough ? picture(play, terminal) : lines(play, terminal)
}

function picture(play: Play, terminal: Terminal): Show {
  const block = new LiveBlock(terminal)
  const update = () => {
    const { nowMs, seconds, title, footnote } = play
    const moment = { nowMs, totalMs: 1000 * seconds, title, footnote }
    block.draw(drawPicture(play.scene, moment, terminal.paint))
  }
  const showCursor = () => block.end()
  process.on('exit', showCursor)
  update()
  return {
    everyMs: 100,
    update,
    end: () => {
      update()
      block.end()
      process.off('exit', showCursor)
    },
  }
}

/** For files and small terminals: what happens, and each tenth of the play how far it is. */
function lines(play: Play, terminal: Terminal): Show {
  const { scene } = play
  const stepMs = Math.max(1000, 100 * play.seconds)
  let printed = 0
  let nextAt = stepMs
  const print = (atMs: number, text: string) => {
    terminal.write(`${(atMs / 1000).toFixed(1).padStart(5)} s  ${folded(text)}\n`)
  }
  const update = () => {
    for (; printed < scene.log.length; printed++) print(scene.log[printed]!.atMs, scene.log[printed]!.text)
    if (scene.clients.length === 0 || play.nowMs < nextAt) return
    nextAt += stepMs
    const serving = scene.replicas.filter(({ state }) => state === 'serving').length
    const sums = [count(scene.downloads, 'file'), formatBytes(scene.bytes), count(serving, 'replica')]
    print(play.nowMs, sums.join(', '))
  }
  return { everyMs: 50, update, end: update }
}

/** What is in trouble says why, which may be long: it goes on below, behind the time. */
function folded(text: string): string {
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!
    if (line !== '' && line.length + 1 + word.length > TEXT_COLUMNS) lines.push(word)
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
  }
  return lines.join(`\n${' '.repeat(9)}`)
}

/** Of 80, behind the time. */
const TEXT_COLUMNS = 71
