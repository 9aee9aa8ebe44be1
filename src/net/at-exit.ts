/** What is still to be done, at once, when the process ends. */

const tasks = new Set<() => void>()

/** Registers a task; the function returned takes it back. */
export function atExit(task: () => void): () => void {
  if (tasks.size === 0) process.on('exit', runAll)
  tasks.add(task)
  return () => {
    tasks.delete(task)
    if (tasks.size === 0) process.off('exit', runAll)
  }
}

function runAll(): void {
  for (const task of tasks) task()
}
