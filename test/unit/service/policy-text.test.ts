import { describe, expect, it } from 'vitest'
import { formatPolicy, parsePolicy } from '../../../src/service/policy-text.ts'

describe('a policy as people write it', () => {
  it.each([
    ['web.example SHARE balance=least-loaded', 'web.example SHARE balance=least-loaded'],
    [' Web.Example share eject=5 balance=MAGLEV ', 'web.example SHARE balance=maglev eject=5'],
    ['*.shop.example SHARE hedge=off to=all', '*.shop.example SHARE to=all hedge=off'],
    ['default SHARE', '* SHARE'],
    ['* SHARE slow-start=1500ms', '* SHARE slow-start=1500ms'],
  ])('%j is read, and has one spelling', (text, spelling) => {
    expect(formatPolicy(parsePolicy(text))).toBe(spelling)
    expect(formatPolicy(parsePolicy(spelling))).toBe(spelling)
  })

  it.each([
    ['', 'a rule starts with a name'],
    ['web..example SHARE', 'a rule starts with a name'],
    ['web.example', 'a policy is PATTERN SHARE'],
    ['web.example FORWARD 10.0.0.1:5000', 'who serves registers by itself'],
    ['web.example SHARE fairly', 'an option of FORWARD is one of balance='],
    ['web.example SHARE balance=fair', 'balance is one of random, round-robin, least-loaded'],
    ['web.example SHARE balance=maglev balance=random', 'a rule says balance= once'],
    ['web.example SHARE balance=maglev slow-start=5s', 'maglev keeps who goes where'],
    ['web.example SHARE slow-start=0s', 'a slow start takes over 0 ms'],
    ['web.example SHARE eject=0', 'a target is ejected after 1 failure'],
    ['web.example SHARE spill=0.8', 'only locality spills over'],
    ['web.example SHARE hedge=1.5', 'a hedge is off, or a share of answers'],
  ])('%j is refused, quoted, with what is accepted', (text, expected) => {
    expect(() => parsePolicy(text)).toThrow(expect.objectContaining({ code: 'ERR_SERVAL_RULE' }))
    expect(() => parsePolicy(text)).toThrow(`"${text}"`)
    expect(() => parsePolicy(text)).toThrow(expected)
  })
})
