/**
 * One flow of `serval perf`, seen from one of its ends. Both ends speak the same, whichever sends:
 *
 *   client --> request                                  what is wanted
 *   sender --> blocks, of the server also `figures`     for as long as, or as much as, was asked for
 *   sender --> end                                      its figures
 *   receiver -> received                                what came, and both ends close
 *
 *   client --> echo                                     or this: the server gives all back that comes from now on
 *   server --> echoing
 */
import type { Socket } from '../../sockets/net.ts'
import { blockHeader, FrameParser, messageFrame } from './frames.ts'
import { BODY_BYTES, bodyOf, matches } from './pattern.ts'

export interface PerfRequest {
  readonly type: 'request'
  readonly version: typeof PERF_VERSION
  /** As the client sees it. */
  readonly direction: Direction
  /** One of the two. */
  readonly seconds?: number
  readonly bytes?: number
  readonly verify: boolean
}

export type Direction = 'upload' | 'download'

export const PERF_VERSION = 1

/** What the sender's stack knows of the flow. */
export interface SenderFigures {
  readonly retransmits: number
  readonly srttMs: number | null
  /** Bytes. */
  readonly cwnd: number
}

export interface Received {
  readonly bytes: number
  /** From the first byte to the last. */
  readonly seconds: number
  /** Parts of blocks that were not what was sent; 0 as well where nothing was compared. */
  readonly mismatches: number
}

export interface TransferResult extends Received {
  readonly sender: SenderFigures
}

type Message =
  | PerfRequest
  | ({ readonly type: 'figures' } & SenderFigures)
  | ({ readonly type: 'end' } & SenderFigures)
  | ({ readonly type: 'received' } & Received)
  | { readonly type: 'echo'; readonly version: typeof PERF_VERSION }
  /** The client has had enough. */
  | { readonly type: 'stop' }

export class Transfer {
  readonly socket: Socket
  /** Resolves when both ends have said what they saw; rejects with what went wrong. */
  readonly done: Promise<TransferResult>
  readonly #resolve: (result: TransferResult) => void
  readonly #reject: (error: Error) => void
  readonly #onData: (chunk: Buffer) => void
  readonly #onLeft: () => void
  #request: PerfRequest | undefined
  #isSender = false
  /** As far as this end knows it. */
  #sender: SenderFigures = { retransmits: 0, srttMs: null, cwnd: 0 }
  #sentBytes = 0
  #isEnding = false
  #deadlineAt = Number.POSITIVE_INFINITY
  #blocks = 0
  #receivedBytes = 0
  #mismatches = 0
  #firstAt = 0
  #lastAt = 0

  private constructor(socket: Socket) {
    this.socket = socket
    let resolve: (result: TransferResult) => void
    let reject: (error: Error) => void
    this.done = new Promise<TransferResult>((...settle) => {
      ;[resolve, reject] = settle
    })
    this.#resolve = resolve!
    this.#reject = reject!
    const parser = new FrameParser({
      onBody: (number, offset, bytes) => this.#handleBody(number, offset, bytes),
      onMessage: message => this.#handleMessage(message as Message),
    })
    this.#onData = chunk => {
      try {
        parser.push(chunk)
      } catch (error) {
        socket.destroy(error as Error)
      }
    }
    this.#onLeft = () => this.#reject(new Error('the peer left before the end'))
    socket.on('data', this.#onData)
    socket.on('error', error => this.#reject(error))
    // What the peer has to say is said before its end of stream.
    socket.on('end', this.#onLeft)
    socket.on('close', this.#onLeft)
  }

  /** The client's end, on a socket that has just connected. */
  static request(socket: Socket, request: PerfRequest): Transfer {
    const transfer = new Transfer(socket)
    socket.write(messageFrame(request))
    transfer.#begin(request, request.direction === 'upload')
    return transfer
  }

  /** The server's end. */
  static serve(socket: Socket): Transfer {
    return new Transfer(socket)
  }

  get direction(): Direction | undefined {
    return this.#request?.direction
  }

  /** What has come or, at the sender, gone so far. */
  get bytes(): number {
    if (!this.#isSender) return this.#receivedBytes
    return Math.min(this.#sentBytes, this.socket.flow?.bytesOut ?? this.#sentBytes)
  }

  /** The sender's; at the receiver as they were told last. */
  get figures(): SenderFigures {
    if (this.#isSender) this.#sender = figuresOf(this.socket) ?? this.#sender
    return this.#sender
  }

  /** Ends it early, as if its time were over. */
  stop(): void {
    if (this.#isSender) this.#deadlineAt = 0
    else this.socket.write(messageFrame({ type: 'stop' }))
  }

  #begin(request: PerfRequest, isSender: boolean): void {
    this.#request = request
    this.#isSender = isSender
    if (!isSender) return
    if (request.seconds !== undefined) this.#deadlineAt = performance.now() + 1000 * request.seconds
    this.socket.on('drain', () => this.#send())
    this.#send()
  }

  /** As many blocks as the socket takes. */
  #send(): void {
    const { bytes: limit = Number.POSITIVE_INFINITY } = this.#request!
    while (!this.#isEnding) {
      const bodyBytes = Math.min(BODY_BYTES, limit - this.#sentBytes)
      if (bodyBytes === 0 || performance.now() >= this.#deadlineAt) return this.#end()
      this.socket.write(blockHeader(this.#blocks, bodyBytes))
      this.#sentBytes += bodyBytes
      if (!this.socket.write(bodyOf(this.#blocks++, bodyBytes))) return
    }
  }

  /** The sender's; for the receiver. */
  tellFigures(): void {
    if (this.#isSender && !this.#isEnding)
      this.socket.write(messageFrame({ type: 'figures', ...this.figures }))
  }

  #end(): void {
    this.#isEnding = true
    this.socket.write(messageFrame({ type: 'end', ...this.figures }))
  }

  /** The client sends nothing more until it has the answer, so that no request is in the chunk of its message. */
  #echo(): void {
    const { socket } = this
    socket.off('data', this.#onData).off('end', this.#onLeft)
    socket.on('data', chunk => socket.write(chunk)).on('end', () => socket.end())
    socket.setNoDelay(true)
    socket.write(messageFrame({ type: 'echoing' }))
  }

  #handleBody(number: number, offset: number, bytes: Uint8Array): void {
    this.#lastAt = performance.now()
    if (this.#receivedBytes === 0) this.#firstAt = this.#lastAt
    if (offset === 0 && number !== this.#blocks++ >>> 0) this.#mismatches++
    if (this.#request?.verify !== false && !matches(number, offset, bytes)) this.#mismatches++
    this.#receivedBytes += bytes.length
  }

  #handleMessage(message: Message): void {
    switch (message.type) {
      case 'request':
        checkVersion(message)
        return this.#begin(message, message.direction === 'download')
      case 'echo':
        checkVersion(message)
        return this.#echo()
      case 'figures':
        this.#sender = message
        return
      case 'stop':
        this.#deadlineAt = 0
        return
      case 'end': {
        this.#sender = message
        const received = {
          bytes: this.#receivedBytes,
          seconds: (this.#lastAt - this.#firstAt) / 1000,
          mismatches: this.#mismatches,
        }
        this.socket.end(messageFrame({ type: 'received', ...received }))
        return this.#resolve({ ...received, sender: senderFigures(message) })
      }
      case 'received': {
        const { bytes, seconds, mismatches } = message
        this.#resolve({ bytes, seconds, mismatches, sender: this.figures })
        this.socket.end()
        return
      }
      default:
        throw new Error('the peer is not a `serval perf`')
    }
  }
}

function checkVersion({ version }: { readonly version: number }): void {
  if (version !== PERF_VERSION) throw new Error('the peer is another version of `serval perf`')
}

function figuresOf({ flow }: Socket): SenderFigures | undefined {
  if (flow === undefined) return undefined
  const path = flow.paths.find(({ active }) => active)
  return { retransmits: flow.retransmits, srttMs: path?.srttMs ?? null, cwnd: path?.cwnd ?? 0 }
}

function senderFigures({ retransmits, srttMs, cwnd }: SenderFigures): SenderFigures {
  return { retransmits, srttMs, cwnd }
}
