/** What happens in the play, and when: in proportion to its length. */

export type Step = { readonly atMs: number } & (
  | { readonly act: 'join'; readonly replica: string }
  /** `client` is an index. */
  | { readonly act: 'move'; readonly client: number; readonly address: string }
  | { readonly act: 'kill' }
)

export const FIRST_REPLICAS = ['replica A', 'replica B', 'replica C']

/** A shorter play has no room for its steps. */
export const MIN_SECONDS = 5
export const MAX_SECONDS = 3600

export function script(seconds: number): Step[] {
  const at = (part: number) => 1000 * seconds * part
  return [
    { atMs: at(0.15), act: 'join', replica: 'replica D' },
    { atMs: at(0.3), act: 'move', client: 0, address: '127.0.0.2' },
    { atMs: at(0.5), act: 'kill' },
    { atMs: at(0.7), act: 'move', client: 1, address: '127.0.0.3' },
  ]
}

/** How long a file of the mean size takes: a step meets a download in its middle, and a person can follow it. */
export function downloadSeconds(seconds: number): number {
  return Math.min(Math.max(seconds / 12, 0.5), 2.5)
}
