import { totalmem } from 'node:os'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { loadConfig } from '../../../src/net/config.ts'
import { MemoryNetwork } from '../../../src/net/links/memory-link.ts'
import { limitsOver } from '../../../src/net/stack-options.ts'

afterEach(() => vi.restoreAllMocks())

/** What peers may make a stack keep on a host that lets a process have `constrained`, as Node tells it. */
function receiveMemory(constrained: number | undefined, receiveMemory?: string): number | undefined {
  vi.spyOn(process, 'constrainedMemory').mockReturnValue(constrained as number)
  const config = loadConfig({ receiveMemory }, { env: {}, cwd: '/' })
  return limitsOver(new MemoryNetwork().host('10.0.0.1'), config, undefined).receiveMemoryBytes
}

describe('what peers may make a stack keep', () => {
  it('is a quarter of what its host has', () => {
    expect(receiveMemory(2 ** 64)).toBe(totalmem() / 4)
  })

  it('is a quarter of what its host lets it have', () => {
    expect(receiveMemory(1 << 28)).toBe(1 << 26)
  })

  it.each([0, undefined])(
    'is a quarter of what there is where nobody knows what it may have: %s',
    unknown => {
      expect(receiveMemory(unknown)).toBe(totalmem() / 4)
    },
  )

  it('is what was chosen', () => {
    expect(receiveMemory(1 << 28, '512m')).toBe(1 << 29)
  })
})
