/** Asks the stacks of this host, by their status sockets, what they serve. */
import { setMaxListeners } from 'node:events'
import { createConnection } from 'node:net'
import type { RuntimeDirectory } from './runtime-dir.ts'
import type { StackStatus, StatusRequest } from './status.ts'

/** A program that is busy for longer is not waited for: long, since on a loaded machine all are, and nobody is lost. */
const ANSWER_MS = 5000
/** Once somebody has answered usefully, the others get so much more. */
const GRACE_MS = 50
const WAIT_STEPS = 10
const MAX_ANSWER_CHARACTERS = 16 << 20

export interface AskOptions {
  /** A status socket that is not asked: one's own. */
  readonly except?: string | undefined
  /** How long it is waited for who does not answer. */
  readonly patienceMs?: number
  /** An answer that makes it worth while not to wait long for the rest. Default: none does. */
  isEnough?(answer: StackStatus): boolean
}

/** The answers of all processes that have their sockets in `directory`; those that fail to answer are left out. */
export async function askStacks(
  directory: RuntimeDirectory,
  request: StatusRequest,
  options: AskOptions = {},
): Promise<StackStatus[]> {
  return [...(await askSockets(directory, request, options)).values()]
}

/** As `askStacks`, by the path of the socket. */
export async function askSockets(
  directory: RuntimeDirectory,
  request: StatusRequest,
  { except, patienceMs = ANSWER_MS, isEnough = () => false }: AskOptions = {},
): Promise<Map<string, StackStatus>> {
  const answers = new Map<string, StackStatus>()
  const deadline = new AbortController()
  // One for each program of the host, however many: Node warns of more than ten.
  setMaxListeners(0, deadline.signal)
  let stopWaiting = waitFor(patienceMs, () => deadline.abort())
  const questions = directory
    .statusSockets()
    .filter(path => path !== except)
    .map(async path => {
      const answer = await ask(path, request, deadline.signal)
      if (answer === 'nobody') directory.sweep(path)
      else if (answer !== 'silent') {
        if (![...answers.values()].some(isEnough) && isEnough(answer)) {
          stopWaiting()
          stopWaiting = waitFor(GRACE_MS, () => deadline.abort())
        }
        answers.set(path, answer)
      }
    })
  await Promise.all(questions)
  stopWaiting()
  return answers
}

/** A timer in steps: while this process does not get its turn it hears nobody, and that is not their silence. */
function waitFor(ms: number, onEnd: () => void): () => void {
  let steps = WAIT_STEPS
  const timer = setInterval(() => {
    if (--steps > 0) return
    clearInterval(timer)
    onEnd()
  }, ms / WAIT_STEPS)
  return () => clearInterval(timer)
}

function ask(
  path: string,
  request: StatusRequest,
  deadline: AbortSignal,
): Promise<StackStatus | 'nobody' | 'silent'> {
  return new Promise(resolve => {
    const connection = createConnection(path)
    const settle = (answer: StackStatus | 'nobody' | 'silent') => {
      deadline.removeEventListener('abort', onDeadline)
      connection.destroy()
      resolve(answer)
    }
    const onDeadline = () => settle('silent')
    deadline.addEventListener('abort', onDeadline)
    let text = ''
    connection.setEncoding('utf8')
    connection.write(`${JSON.stringify(request)}\n`)
    connection.on('data', (chunk: string) => {
      text += chunk
      if (text.endsWith('\n')) settle(parseAnswer(text))
      else if (text.length > MAX_ANSWER_CHARACTERS) settle('silent')
    })
    connection.on('error', error => {
      const { code } = error as NodeJS.ErrnoException
      settle(code === 'ECONNREFUSED' ? 'nobody' : 'silent')
    })
    connection.on('close', () => settle('silent'))
  })
}

function parseAnswer(text: string): StackStatus | 'silent' {
  try {
    const answer: StackStatus = JSON.parse(text)
    return typeof answer.pid === 'number' && Array.isArray(answer.services) ? answer : 'silent'
  } catch {
    return 'silent'
  }
}
