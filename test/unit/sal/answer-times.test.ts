/** How long to wait for an instance that a router chose. */
import { describe, expect, it } from 'vitest'
import { serviceIdOf } from '../../../src/id/name.ts'
import { AnswerTimes } from '../../../src/sal/answer-times.ts'
import { endpoint } from '../../../src/wire/endpoint.ts'

const WEB = serviceIdOf('web.example')
const instance = (n: number) => endpoint(`10.0.0.${n}`, 7000)

function answered(times: AnswerTimes, n: number, afterMs: number, nowMs = 0, service = WEB): void {
  for (let i = 0; i < 8; i++) times.add(service, instance(n), afterMs, nowMs)
}

describe('who asks by way of a router waits', () => {
  it('250 ms as long as nothing is known of the service', () => {
    const times = new AnswerTimes()
    answered(times, 1, 40, 0, serviceIdOf('other.example'))
    expect(times.patienceMs(WEB, 0.95, 0)).toBe(250)
  })

  it('for the fastest of the instances, which one it asks it does not know', () => {
    const times = new AnswerTimes()
    answered(times, 1, 400)
    answered(times, 2, 40)
    expect(times.patienceMs(WEB, 0.95, 0)).toBe(40)
  })

  it('for no instance that has not been heard for five minutes', () => {
    const times = new AnswerTimes()
    answered(times, 1, 40)
    answered(times, 2, 90, 200_000)
    expect(times.patienceMs(WEB, 0.95, 299_999)).toBe(40)
    expect(times.patienceMs(WEB, 0.95, 300_000)).toBe(90)
  })

  it('for ever where the rule says so', () => {
    expect(new AnswerTimes().patienceMs(WEB, 0, 0)).toBeUndefined()
  })

  it('as ever for what was forgotten: no more than 64 services and 8 instances of each are remembered', () => {
    const times = new AnswerTimes()
    for (let n = 1; n <= 9; n++) answered(times, n, 10 * n + 10)
    expect(times.patienceMs(WEB, 0.95, 0)).toBe(30)
    for (let n = 0; n < 64; n++) answered(times, 1, 20, 0, serviceIdOf(`s${n}.example`))
    expect(times.patienceMs(WEB, 0.95, 0)).toBe(250)
    expect(times.queues).toMatchObject([{ size: 64, limit: 64 }])
  })
})
