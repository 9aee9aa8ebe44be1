#!/usr/bin/env node
/** The command `serval`. */
import { exitStatus, explain } from './failure.ts'
import { run } from './program.ts'

// Whoever reads our output may stop early, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

process.on('uncaughtException', error => {
  process.stderr.write(`serval: ${explain(error)}\n`)
  process.exit(exitStatus.failed)
})

process.exitCode = await run(process.argv.slice(2))
// Who has forked us may keep the channel open: nothing comes by it any more.
if (process.connected) process.disconnect()
