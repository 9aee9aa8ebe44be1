import { describe, expect, it } from 'vitest'
import { BenchUsageError, parseBenchCommand } from '../../../bench/support/command-line.ts'

const NAMES = ['bulk', 'flows']
const parse = (...args: string[]) => parseBenchCommand(args, NAMES)

describe('the command line of npm run bench', () => {
  it('names a benchmark, or all, and says how it is to be measured', () => {
    expect(parse('bulk')).toEqual({
      verb: 'measure',
      ...{ name: 'bulk', json: false, seconds: 45, flows: 10_000, objects: 0 },
    })
    expect(parse('all', '--json', '--seconds', '2.5', '--flows=300', '--objects', '16')).toEqual({
      verb: 'measure',
      ...{ name: 'all', json: true, seconds: 2.5, flows: 300, objects: 16 },
    })
  })

  it('turns files into tables', () => {
    expect(parse('markdown', 'one', 'two')).toEqual({ verb: 'markdown', files: ['one', 'two'] })
  })

  it('explains itself where nothing is named, and where it is asked to', () => {
    expect(parse()).toEqual({ verb: 'help', isAsked: false })
    expect(parse('bulk', '-h')).toEqual({ verb: 'help', isAsked: true })
  })

  it.each([
    [['bulk', '--unknown'], "Unknown option '--unknown'"],
    [['bulk', '--seconds'], "Option '--seconds <value>' argument missing"],
    [['bulk', '--seconds', '-1'], "Option '--seconds' argument is ambiguous."],
    [['bulk', '--seconds=-1'], "--seconds '-1': a number is accepted, at least 0.1"],
    [['bulk', '--seconds', 'long'], "--seconds 'long': a number is accepted, at least 0.1"],
    [['bulk', '--seconds='], "--seconds '': a number is accepted, at least 0.1"],
    [['flows', '--flows', '1'], "--flows '1': a whole number is accepted, at least 2"],
    [['flows', '--flows', '2.5'], "--flows '2.5': a whole number is accepted, at least 2"],
    [['bulk', '--objects', 'many'], "--objects 'many': a whole number is accepted, at least 0"],
    [['blk'], "there is no benchmark 'blk': all, bulk, flows"],
    [['bulk', 'flows'], "one benchmark at a time, or all: 'flows' is one too many"],
    [['markdown'], 'markdown needs a FILE: what a benchmark printed with --json'],
  ])('%j is refused in one line that names what is wrong', (args, message) => {
    expect(() => parse(...args)).toThrow(new BenchUsageError(message))
  })
})
