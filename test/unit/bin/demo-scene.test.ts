import { describe, expect, it } from 'vitest'
import { drawPicture, PICTURE_COLUMNS, PICTURE_ROWS } from '../../../src/bin/demo/picture.ts'
import { Scene } from '../../../src/bin/demo/scene.ts'
import { script } from '../../../src/bin/demo/script.ts'

const plain = (_style: unknown, text: string) => text

/** Four clients, three replicas; at 10 s all clients are 1 MB into a file of 4 MB. */
function fullScene(): Scene {
  const scene = new Scene()
  for (const name of ['A', 'B', 'C']) scene.addReplica(`replica ${name}`, 4711)
  for (const [index, replica] of ['A', 'C', 'A', 'B'].entries()) {
    const client = scene.addClient(`client ${index + 1}`, '127.0.0.1')
    scene.handle(client, { type: 'begins', file: 'file-1.bin', bytes: 4e6 }, 9000)
    scene.handle(client, { type: 'served', replica: `replica ${replica}`, address: '127.0.0.1' }, 9001)
    scene.handle(client, { type: 'progress', atBytes: 1e6 }, 10_000)
  }
  return scene
}

describe('the scene', () => {
  it('counts bytes where they came from and where they went', () => {
    const scene = fullScene()
    expect(scene.bytes).toBe(4e6)
    expect(scene.replicas.map(({ bytes }) => bytes)).toEqual([2e6, 1e6, 1e6])
    expect(scene.clients[0]!.meter.rate(10_000)).toBe(1e6)
    expect(scene.clients[0]!.meter.rate(11_001)).toBe(0)
  })

  it('takes a download whose hash is right for done', () => {
    const scene = fullScene()
    scene.handle(scene.clients[0]!, { type: 'completed', isIntact: true, sha256: '' }, 10_100)
    expect(scene).toMatchObject({ downloads: 1, mismatches: 0, bytes: 7e6, errors: [] })
    expect(scene.replicas[0]).toMatchObject({ downloads: 1, bytes: 5e6 })
  })

  it('takes one whose hash is wrong for an error', () => {
    const scene = fullScene()
    scene.handle(scene.clients[1]!, { type: 'completed', isIntact: false, sha256: 'abad' }, 10_100)
    expect(scene.mismatches).toBe(1)
    expect(scene.errors).toEqual(['client 2 got file-1.bin wrong: its SHA-256 is abad'])
  })

  it('expects clients of a killed replica to be interrupted, and no others', () => {
    const scene = fullScene()
    scene.replica('replica A')!.state = 'killed'
    for (const client of scene.clients.slice(0, 2)) {
      scene.handle(client, { type: 'interrupted', message: 'read ECONNRESET', atBytes: 1e6 }, 10_100)
    }
    expect(scene.interruptions).toBe(2)
    expect(scene.log.map(({ text }) => text)).toEqual(['client 2: read ECONNRESET; it tries again'])
  })
})

describe('the picture', () => {
  it('fits a terminal of 80 x 24 with everything that can be in it', () => {
    const scene = fullScene()
    scene.addReplica('replica D', 4194304)
    const [client] = scene.clients
    const move = { from: '127.0.0.1', to: '127.0.0.2', atBytes: 1.44e6, confirmedMs: 12.345 }
    const resumption = { from: 'replica A', to: 'replica B', atBytes: 1.44e6, gapMs: 12.345 }
    for (let i = 0; i < 9; i++) scene.handle(client!, { type: 'moved', ...move }, 12_345)
    for (let i = 0; i < 9; i++) scene.handle(client!, { type: 'resumed', ...resumption }, 12_345)
    const footnote = 'router pid 4194304 finds a replica, then data goes direct'
    const lines = drawPicture(scene, { nowMs: 12_345, totalMs: 30_000, title: 'files.demo', footnote }, plain)
    expect(lines).toHaveLength(PICTURE_ROWS)
    for (const line of lines) expect([...line].length).toBeLessThan(PICTURE_COLUMNS)
    expect(lines.join('\n')).not.toContain('…')
  })

  it('leads from each client to the replica that serves it', () => {
    const lines = drawPicture(
      fullScene(),
      { nowMs: 10_000, totalMs: 20_000, title: 'files.demo', footnote: 'and a router' },
      plain,
    )
    expect(lines.slice(0, 16)).toEqual([
      ' serval demo · files.demo                                4.00 MB/s · 10 of 20 s',
      ' ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━───────────────────────────────────────',
      ' ╭─ client 1 ──────── 127.0.0.1 ─╮',
      ' │ ████▌·············  1.00 MB/s ◀━━━━━━━━┓   ╭─ replica A ──────── pid 4711 ─╮',
      ' ╰─ ✓ 0 ─────────────────────────╯    ┏━━━┻━━━│ 2.00 MB/s             0 files │',
      ' ╭─ client 2 ──────── 127.0.0.1 ─╮    ┃       ╰─ 2.00 MB sent ────────────────╯',
      ' │ ████▌·············  1.00 MB/s ◀━━━━━━┓     ╭─ replica B ──────── pid 4711 ─╮',
      ' ╰─ ✓ 0 ─────────────────────────╯  ┏━━━━━━━━━│ 1.00 MB/s             0 files │',
      ' ╭─ client 3 ──────── 127.0.0.1 ─╮  ┃ ┃ ┃     ╰─ 1.00 MB sent ────────────────╯',
      ' │ ████▌·············  1.00 MB/s ◀━━━━┛ ┃     ╭─ replica C ──────── pid 4711 ─╮',
      ' ╰─ ✓ 0 ─────────────────────────╯  ┃   ┗━━━━━│ 1.00 MB/s             0 files │',
      ' ╭─ client 4 ──────── 127.0.0.1 ─╮  ┃         ╰─ 1.00 MB sent ────────────────╯',
      ' │ ████▌·············  1.00 MB/s ◀━━┛',
      ' ╰─ ✓ 0 ─────────────────────────╯',
      '',
      ' and a router',
    ])
  })

  it('gives each run of one colour to the painter as a whole', () => {
    const painted: string[] = []
    const paint = (style: unknown, text: string) => {
      painted.push(`${style}: ${text}`)
      return text
    }
    drawPicture(fullScene(), { nowMs: 10_000, totalMs: 20_000, title: '', footnote: '' }, paint)
    expect(painted).toContain('cyan: ╭─ client 1 ──────── 127.0.0.1 ─╮')
  })
})

describe('the script', () => {
  it.each([5, 30, 3600])('has room for every step in %d s, in order, and for a last download', seconds => {
    const steps = script(seconds).map(({ atMs }) => atMs)
    expect(steps).toEqual([...steps].sort((a, b) => a - b))
    expect(steps.at(-1)).toBeLessThan(1000 * seconds * 0.8)
    expect(script(seconds).map(({ act }) => act)).toEqual(['join', 'move', 'kill', 'move'])
  })
})
