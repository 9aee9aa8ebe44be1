/** What every service needs in the laboratory: a controller and a service router, both on the host `router`. */
import type { Lab } from './lab.ts'
import type { Program } from './program.ts'

export interface LabNetwork {
  readonly controller: Program
  readonly router: Program
  /** The settings by which other hosts find the two. */
  readonly env: Readonly<Record<string, string>>
  /** Process ids of the programs that, as the controller knows, serve a service. */
  instancesOf(service: string): Promise<number[]>
}

export interface LabNetworkOptions {
  readonly family?: 4 | 6
  readonly isUnprivileged?: boolean
}

/** Resolves when both can be used. */
export async function startNetwork(
  { router: host }: Lab,
  { family = 4, isUnprivileged = false }: LabNetworkOptions = {},
): Promise<LabNetwork> {
  const address = family === 4 ? host.address(4) : `[${host.address(6)}]`
  const control = `${address}:54326`
  const controller = host.serval(['controller', '--bind', control, '--json'], { isUnprivileged })
  const { api } = await controller.event('ready')
  const router = host.serval(['router', '--bind', address, '--controller', control, '--json'], {
    isUnprivileged,
  })
  await router.event('ready')
  const instancesOf = async (service: string) => {
    const answer = await host.run('get.js', [`${api}/v1/services/${service}`]).event('answer')
    return (answer.body.instances ?? []).map(({ pid }: { pid: number }) => pid)
  }
  return { controller, router, env: { SERVAL_CONTROLLER: control }, instancesOf }
}
