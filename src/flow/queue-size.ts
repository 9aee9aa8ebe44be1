/** How much a peer makes this end keep: every queue that a peer can fill has a cap (src/wire/README.md, "Control numbers"), and shows both. */
export interface QueueSize {
  readonly name: string
  readonly size: number
  readonly limit: number
}
