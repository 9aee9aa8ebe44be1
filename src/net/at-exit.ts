/** What is still to be done, at once, when the process ends, and what that has to wait for. */

/** Tasks, each with whether the end has to wait: asked when nothing else keeps the process. */
const tasks = new Map<() => void, () => boolean>()

const LOOK_AGAIN_MS = 10

/** Registers a task; the function returned takes it back. */
export function atExit(task: () => void, mustWait = () => false): () => void {
  if (tasks.size === 0) process.on('exit', runAll).on('beforeExit', wait)
  tasks.set(task, mustWait)
  return () => {
    tasks.delete(task)
    if (tasks.size === 0) process.off('exit', runAll).off('beforeExit', wait)
  }
}

function runAll(): void {
  for (const task of tasks.keys()) task()
}

/** The event comes again when the timer has gone off. */
function wait(): void {
  if ([...tasks.values()].some(mustWait => mustWait())) setTimeout(() => undefined, LOOK_AGAIN_MS)
}
