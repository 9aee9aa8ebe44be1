/** How many scripted exchanges there are, by file: the claim of a hundred is held, not believed. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const folder = new URL('.', import.meta.url)

/** The scripts in `source` in which something leaves and something arrives; a `${...}` stands for lines of both. */
function exchangesIn(source: string): readonly string[] {
  return [...source.matchAll(/holds\(\s*(?:'[^']*'|"[^"]*"),\s*`([^`]*)`/g)]
    .map(([, script]) => script!)
    .filter(
      script =>
        script.includes('${') || (/^\s*[\d.]+\s+>/m.test(script) && /^\s*[\d.]+\s+<\+?/m.test(script)),
    )
}

describe('the census of scripted exchanges', () => {
  it('counts a script in which something arrives and something leaves, and no other', () => {
    const source = `
      holds('both', \`
        0 write 1
        0 > 0:1
        9 < ack 1\`)
      holds("nothing arrives", \`
        0 write 1
        0 > 0:1\`)
      holds('nothing leaves', \`
        0 < 0:1\`)
      it('is no script', () => {})`
    expect(exchangesIn(source)).toHaveLength(1)
  })

  it('finds at least a hundred, no two alike', () => {
    const files = readdirSync(folder).filter(file => file.endsWith('.test.ts') && file !== 'census.test.ts')
    const counts = files.map(file => {
      const exchanges = exchangesIn(readFileSync(new URL(file, folder), 'utf8'))
      expect(new Set(exchanges).size, `${file} has a script twice`).toBe(exchanges.length)
      return [file, exchanges.length] as const
    })
    const total = counts.reduce((sum, [, count]) => sum + count, 0)
    for (const [file, count] of counts) if (count > 0) console.log(`${String(count).padStart(4)}  ${file}`)
    console.log(`${String(total).padStart(4)}  scripted exchanges`)
    expect(total).toBeGreaterThanOrEqual(100)
  })
})
