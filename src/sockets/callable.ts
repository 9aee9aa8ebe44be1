/** Classes that can be called without `new`, as Node's own can: `net.Socket()`, `http.Agent(options)`. */

/**
 * The class, callable. What `util.inherits` does to it does not work, for a call cannot make an object that is there
 * already into a socket; `class ... extends` does.
 */
export function callable<C extends abstract new (...args: never) => object>(type: C): C {
  const made = new Proxy(type, { apply: (target, _this, args) => Reflect.construct(target, args) })
  // So that `socket.constructor` is what programs know.
  Object.defineProperty(type.prototype, 'constructor', { value: made, writable: true, configurable: true })
  return made
}
