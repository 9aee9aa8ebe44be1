/** A client of the demo, a process of its own: it downloads one file after the other and checks each. */
import { toldToStop } from '../lifetime.ts'
import { Download } from './download.ts'
import type { ClientCue, ClientReport } from './messages.ts'

let download: Download | undefined
let isFinishing = false
/** Where to move with the next file, if the one under way was too far on. */
let moveTo: string | undefined

void toldToStop().then(() => process.exit())

process.on('message', message => {
  const cue = message as ClientCue
  switch (cue.type) {
    case 'start':
      return void start(cue)
    case 'move':
      if (!download?.move(cue.address)) moveTo = cue.address
      return
    case 'finish':
      isFinishing = true
  }
})

async function start({ service, files, first }: Extract<ClientCue, { type: 'start' }>): Promise<void> {
  for (let turn = first; !isFinishing; turn++) {
    download = new Download(service, files[turn % files.length]!, report)
    if (moveTo !== undefined) download.move(moveTo)
    moveTo = undefined
    await download.run()
  }
  // Nothing holds the process any longer but the channel.
  process.send?.({ type: 'finished' } satisfies ClientReport, () => process.disconnect())
}

function report(message: ClientReport): void {
  process.send?.(message)
}
