/** The hosts that may send through a router: subnets, few of them. Without a list everybody may. */
import { ServalError } from '../errors.ts'
import { addressBytes } from '../id/address.ts'

interface Subnet {
  readonly bytes: Uint8Array
  readonly bits: number
}

export class AllowList {
  static readonly everybody = new AllowList(undefined)

  readonly #subnets: readonly Subnet[] | undefined

  private constructor(subnets: readonly Subnet[] | undefined) {
    this.#subnets = subnets
  }

  /** Of texts such as `10.0.0.0/8`, `fd00::7`; none: everybody. Throws ERR_INVALID_ARG_VALUE. */
  static parse(texts: readonly string[]): AllowList {
    return texts.length === 0 ? AllowList.everybody : new AllowList(texts.map(parseSubnet))
  }

  admits(address: string): boolean {
    if (this.#subnets === undefined) return true
    const bytes = addressBytes(address) ?? NO_ADDRESS
    return this.admitsBytes(bytes, 0, bytes.length)
  }

  /** HOT. As `admits`, of the address `bytes[at, at + length)`. */
  admitsBytes(bytes: Uint8Array, at: number, length: number): boolean {
    if (this.#subnets === undefined) return true
    for (const subnet of this.#subnets) if (covers(subnet, bytes, at, length)) return true
    return false
  }
}

const NO_ADDRESS = new Uint8Array(0)

function parseSubnet(text: string): Subnet {
  const [address = '', length, ...more] = text.split('/')
  const bytes = addressBytes(address)
  const bits = length === undefined ? 8 * (bytes?.length ?? 0) : Number(length)
  const isLength = length === undefined || (/^\d{1,3}$/.test(length) && bits <= 8 * (bytes?.length ?? 0))
  if (bytes === undefined || !isLength || more.length > 0) {
    const expected = 'an address or a subnet, such as 10.0.0.0/8 or fd00::/8'
    throw new ServalError('ERR_INVALID_ARG_VALUE', { argument: 'allow', expected, received: text })
  }
  return { bytes, bits }
}

function covers({ bytes: subnet, bits }: Subnet, bytes: Uint8Array, at: number, length: number): boolean {
  if (subnet.length !== length) return false
  const whole = bits >> 3
  for (let i = 0; i < whole; i++) if (subnet[i] !== bytes[at + i]) return false
  const rest = bits & 7
  return rest === 0 || (subnet[whole]! ^ bytes[at + whole]!) >> (8 - rest) === 0
}
