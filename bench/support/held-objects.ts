/**
 * Objects that every program under measurement holds, as programs do: `--objects N`, MiB of the heap; none by default. It
 * matters to whoever receives much, for V8 collects by how large the heap is (bench/README.md, "Full collections").
 */
export const OBJECTS_VARIABLE = 'SERVAL_BENCH_OBJECTS_MIB'

export function heldObjectsMiB(): number {
  return Number(process.env[OBJECTS_VARIABLE] ?? 0)
}

/** A small record and a list: 8 to 9 words each. */
export function holdObjects(): readonly unknown[] {
  const { heapUsed } = process.memoryUsage()
  const held: unknown[] = []
  const limit = heapUsed + heldObjectsMiB() * 2 ** 20
  for (let index = 0; process.memoryUsage().heapUsed < limit; ) {
    for (let i = 0; i < 1000; i++, index++) held.push({ index, pair: [index, -index] })
  }
  return held
}
