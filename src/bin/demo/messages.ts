/** What the demo and its actors, each a process of its own, say to each other over the channel of `child_process.fork`. */

export interface DemoFile {
  readonly name: string
  readonly bytes: number
  /** In hex. */
  readonly sha256: string
}

/** To replicas: the only message. */
export interface ReplicaCue {
  readonly type: 'serve'
  readonly service: string
  /** What it calls itself in the header `x-replica`. */
  readonly name: string
  /** The demo's own. The files are in `files/`; it is removed if the demo is gone without having done so. */
  readonly directory: string
  readonly files: readonly DemoFile[]
  /** A download is held to this, so that a person can follow it. */
  readonly bytesPerSecond: number
}

export interface ReplicaReport {
  readonly type: 'ready'
}

export type ClientCue =
  | {
      readonly type: 'start'
      readonly service: string
      readonly files: readonly DemoFile[]
      /** Which of the files is its first. */
      readonly first: number
    }
  /** Move the download under way to another address of this host. */
  | { readonly type: 'move'; readonly address: string }
  /** Begin no more downloads. */
  | { readonly type: 'finish' }

/** `atBytes` counts from the start of the file. */
export type ClientReport =
  | { readonly type: 'begins'; readonly file: string; readonly bytes: number }
  | { readonly type: 'served'; readonly replica: string; readonly address: string }
  | { readonly type: 'progress'; readonly atBytes: number }
  /** The connection broke, or could not be made, and will be tried again. */
  | { readonly type: 'interrupted'; readonly message: string; readonly atBytes: number }
  /** After an interruption another replica goes on by HTTP Range. */
  | {
      readonly type: 'resumed'
      readonly from: string
      readonly to: string
      readonly atBytes: number
      readonly gapMs: number
    }
  | {
      readonly type: 'moved'
      readonly from: string
      readonly to: string
      readonly atBytes: number
      /** From the call to the peer's confirmation. */
      readonly confirmedMs: number
    }
  | { readonly type: 'completed'; readonly isIntact: boolean; readonly sha256: string }
  /** The file is given up, or a move was refused. */
  | { readonly type: 'failed'; readonly message: string }
  | { readonly type: 'finished' }
