/** The lines of perf: one a second for a file, and on a terminal a last one that is drawn over in between. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RunningLines } from '../../../src/bin/perf/running-lines.ts'
import type { Terminal } from '../../../src/bin/terminal.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function fakeTerminal(isInteractive: boolean) {
  const written: string[] = []
  const terminal: Terminal = {
    isInteractive,
    columns: isInteractive ? 10 : Number.POSITIVE_INFINITY,
    rows: 24,
    paint: (_style, text) => text,
    write: text => void written.push(text),
  }
  return { terminal, written }
}

describe('the lines of perf', () => {
  it('are a line a second in a file', () => {
    const { terminal, written } = fakeTerminal(false)
    const lines = new RunningLines(terminal)
    let second = 0
    lines.print('titles')
    lines.run({ line: () => `second ${++second}`, now: () => 'now' })
    vi.advanceTimersByTime(2500)
    lines.end()
    vi.advanceTimersByTime(5000)
    expect(written).toEqual(['titles\n', 'second 1\n', 'second 2\n'])
  })

  it('end on a terminal with one that is drawn over, fits, and is gone at the end', () => {
    const { terminal, written } = fakeTerminal(true)
    const lines = new RunningLines(terminal)
    lines.run({ line: () => 'a second', now: () => 'right now it goes' })
    vi.advanceTimersByTime(900)
    const drawn = written.filter(text => text.includes('right now'))
    expect(drawn.length).toBeGreaterThan(2)
    for (const text of drawn) expect(text).not.toContain('right now it')
    expect(written.join('')).not.toContain('a second')
    vi.advanceTimersByTime(200)
    expect(written.join('')).toContain('a second\n')
    lines.end()
    expect(written.slice(-2).join('')).not.toContain('right now')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('are counted but not printed where nobody reads them', () => {
    const lines = new RunningLines(undefined)
    const line = vi.fn(() => 'a second')
    lines.run({ line, now: () => 'now' })
    vi.advanceTimersByTime(3000)
    lines.end()
    expect(line).toHaveBeenCalledTimes(3)
  })
})
