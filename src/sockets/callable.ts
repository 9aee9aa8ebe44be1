/**
 * Classes used as the constructor functions that Node's own are: called without `new`, `net.Socket()`, and inherited from
 * by programs of before classes: `util.inherits(Mine, http.Server)`, with `http.Server.call(this)` in `Mine`.
 */

type Class = abstract new (...args: never) => object

/** The object that a call is to make into an instance: taken by the next constructor of `adopting`. */
let awaited: object | undefined

/** The class, callable. It must extend an `adopting` one. `name`: what programs tell it by, and a bundler may change. */
export function callable<C extends Class>(name: string, type: C): C {
  const made: C = new Proxy(type, {
    // V8 makes a shape for each instance that a proxy is the `new.target` of.
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args, newTarget === made ? target : newTarget),
    apply(target, self: unknown, args) {
      awaited = self instanceof target ? self : undefined
      try {
        return Reflect.construct(target, args)
      } finally {
        awaited = undefined
      }
    },
  })
  Object.defineProperty(type, 'name', { value: name, configurable: true })
  // So that `socket.constructor` is what programs know.
  Object.defineProperty(type.prototype, 'constructor', { value: made, writable: true, configurable: true })
  return made
}

/**
 * A class of Node's to extend, itself a constructor function: where `callable` is called on an object, `super()` makes that
 * object an instance, and private fields come to it, rather than to a new one. It must be a derived class: V8 makes a shape for each
 * instance where one constructor function makes what another has been asked for.
 */
export function adopting<C extends Class>(base: C): C {
  const Base = base as unknown as new (...args: unknown[]) => object
  class Adopting extends Base {
    // biome-ignore lint/correctness/noUnreachableSuper: what it would make is there already.
    constructor(...args: unknown[]) {
      const self = awaited
      awaited = undefined
      if (self === undefined) {
        super(...args)
        return
      }
      Reflect.apply(base as unknown as () => void, self, args)
      // biome-ignore lint/correctness/noConstructorReturn: `this`, from here on.
      return self
    }
  }
  return Adopting as unknown as C
}
