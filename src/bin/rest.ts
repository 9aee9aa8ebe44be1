/** Reads the REST of a controller. */
import type { ProtocolName } from '../service/rule.ts'
import { Failure } from './failure.ts'

/** An instance as `/v1/services/NAME` shows it. */
export interface RestInstance {
  readonly instance: string
  readonly program: string
  readonly pid: number
  readonly host: string
  readonly endpoints: readonly string[]
  readonly weight: number
  readonly priority: number
  /** Absent: streams and datagrams. */
  readonly protocol?: ProtocolName
}

export interface RestService {
  readonly name: string
  readonly serviceId: string
  readonly instances: readonly RestInstance[]
}

/** undefined: nobody answers there. Throws a Failure where somebody does, but not as a controller. */
export async function readServices(api: string): Promise<RestService[] | undefined> {
  const summaries = await read<{ services: { name: string }[] }>(api, '/v1/services')
  if (summaries === undefined) return undefined
  const services: RestService[] = []
  for (const { name } of summaries.services) {
    // It may have gone meanwhile.
    const service = await read<RestService>(api, `/v1/services/${encodeURIComponent(name)}`)
    if (service !== undefined) services.push(service)
  }
  return services
}

/** As long as a busy machine may take: where nobody is, that is refused at once. */
const PATIENCE_MS = 10_000

async function read<T>(api: string, path: string): Promise<T | undefined> {
  const { SERVAL_API_TOKEN } = process.env
  const headers: Record<string, string> = SERVAL_API_TOKEN
    ? { authorization: `Bearer ${SERVAL_API_TOKEN}` }
    : {}
  const url = new URL(path, api)
  let response: Response
  try {
    response = await fetch(url, { headers, signal: AbortSignal.timeout(PATIENCE_MS) })
  } catch {
    return undefined
  }
  if (response.status === 404) return undefined
  if (response.status === 401) throw new Failure(`${url} asks for a token: set SERVAL_API_TOKEN`)
  if (!response.ok) throw new Failure(`${url} answered with status ${response.status}`)
  try {
    return (await response.json()) as T
  } catch {
    throw new Failure(`${url} is not the REST of a controller: it does not answer in JSON`)
  }
}
