/** Classes that are called and inherited from as Node's constructor functions are, and are still fast ones. */
import { Duplex } from 'node:stream'
import { inherits } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { expect, it } from 'vitest'
import { adopting, callable } from '../../../src/sockets/callable.ts'

setFlagsFromString('--allow-natives-syntax')
const haveSameShape = new Function('a', 'b', 'return %HaveSameMap(a, b)') as (a: object, b: object) => boolean

class Plain extends adopting(Duplex) {
  readonly #secret = 7
  get secret(): number {
    return this.#secret
  }
}
const Socket = callable('Socket', Plain)

it('makes instances of one shape, for which V8 compiles code once', () => {
  // The first ones tell V8 what there is to have.
  const made = Array.from({ length: 10 }, () => new Socket())
  expect(made.every(({ secret }) => secret === 7)).toBe(true)
  expect(haveSameShape(made.at(-1)!, made.at(-2)!)).toBe(true)
})

it('makes an instance of what it is called on, with private fields and all', () => {
  function Mine(this: object) {
    ;(Socket as unknown as () => void).call(this)
  }
  inherits(Mine as never, Socket as never)
  const mine = new (Mine as unknown as new () => Plain)()
  expect(mine).toBeInstanceOf(Mine)
  expect(mine).toBeInstanceOf(Duplex)
  expect(mine.secret).toBe(7)
  expect(mine.readableFlowing).toBe(null)
})

it('makes a new instance where it is called on nothing', () => {
  const made = (Socket as unknown as () => Plain)()
  expect(made).toBeInstanceOf(Duplex)
  expect(made.secret).toBe(7)
  expect(made.constructor).toBe(Socket)
})

it('has the name that programs know, whatever it is called here', () => {
  expect([Socket.name, Plain.name, new Socket().constructor.name]).toEqual(['Socket', 'Socket', 'Socket'])
})
