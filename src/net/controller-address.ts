/** Where a controller is to be found. */
import { existsSync } from 'node:fs'
import type { ControllerAddress } from './config.ts'
import type { RuntimeDirectory } from './runtime-dir.ts'

/** The one configured, else the one of this host, whose socket is in the runtime directory; undefined: there is none. */
export function controllerOf(
  configured: ControllerAddress | undefined,
  runtimeDirectory: RuntimeDirectory,
): ControllerAddress | undefined {
  if (configured !== undefined) return configured
  const path = runtimeDirectory.controllerSocket
  return existsSync(path) ? { path } : undefined
}
