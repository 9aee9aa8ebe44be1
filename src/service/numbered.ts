/** Objects by small numbers, for those who keep numbers in arrays; the number of one that is gone is given again. */
export class Numbered<T> {
  readonly #items: (T | undefined)[] = []
  readonly #free: number[] = []

  get size(): number {
    return this.#items.length - this.#free.length
  }

  /** What has this number, which must have been given. */
  at(number: number): T {
    return this.#items[number]!
  }

  /** Returns its number. */
  add(item: T): number {
    const number = this.#free.pop() ?? this.#items.length
    this.#items[number] = item
    return number
  }

  remove(number: number): void {
    this.#items[number] = undefined
    this.#free.push(number)
  }
}
