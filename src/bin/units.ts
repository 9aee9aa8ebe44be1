/** Quantities as people read them. Three significant digits, decimal prefixes, a space before the unit. */

/** `512 B`, `4.19 MB`. */
export function formatBytes(bytes: number): string {
  return scaled(bytes, 'B', true)
}

/** `4.19 MB/s`: for what a person waits for. */
export function formatBytesPerSecond(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`
}

/** `9.41 Gbit/s`: for what a link carries. The argument is in bytes all the same. */
export function formatBitsPerSecond(bytesPerSecond: number): string {
  return `${scaled(8 * bytesPerSecond, 'bit', false)}/s`
}

/** `0.042 ms`, `12.3 ms`, `1.25 s`. */
export function formatMs(ms: number): string {
  if (ms >= 1000) return `${significant(ms / 1000)} s`
  return ms < 1 ? `${ms.toFixed(3)} ms` : `${significant(ms)} ms`
}

/** `1 move`, `3 moves`. */
export function count(number: number, one: string): string {
  return `${number} ${one}${number === 1 ? '' : 's'}`
}

const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P']

/** What is counted in whole ones has no decimals below the first prefix. */
function scaled(value: number, unit: string, isWhole: boolean): string {
  let rest = value
  let step = 0
  // 999.5 would be written as 1000.
  while (rest >= 999.5 && step < PREFIXES.length - 1) {
    rest /= 1000
    step++
  }
  const digits = step === 0 && isWhole ? String(Math.round(rest)) : significant(rest)
  return `${digits} ${PREFIXES[step]}${unit}`
}

function significant(value: number): string {
  if (value >= 99.95) return value.toFixed(0)
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2)
}
