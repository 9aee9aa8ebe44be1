/** `serval services`: who serves what, as this host's programs and the controller tell. */
import type { Command } from 'commander'
import { DEFAULT_API, loadConfig } from '../../net/config.ts'
import { RuntimeDirectory } from '../../net/runtime-dir.ts'
import type { ServiceStatus, StackStatus } from '../../net/status.ts'
import { askStacks } from '../../net/status-client.ts'
import type { ProtocolName } from '../../service/rule.ts'
import { Failure } from '../failure.ts'
import { type Listing, type ListingOptions, showListing } from '../listing.ts'
import { printNote } from '../output.ts'
import { type RestInstance, type RestService, readServices } from '../rest.ts'

/** One instance of one service. */
interface Row {
  readonly service: string
  readonly serviceId: string
  readonly instance: string
  readonly program: string
  readonly pid: number
  /** Empty: this one. */
  readonly host: string
  readonly endpoints: readonly string[]
  readonly weight: number
  readonly priority: number
  /** null: both, as the controller alone tells. */
  readonly protocol: ProtocolName | null
  readonly knownTo: readonly ('host' | 'controller')[]
}

export function addServices(program: Command): void {
  program
    .command('services')
    .summary('list who serves what')
    .description(
      'Lists the services of the programs on this host (of this user), and those that a controller knows, if one ' +
        'answers at SERVAL_API.',
    )
    .option('--watch', 'again every second, until it is told to end')
    .option('--json', 'as JSON (services.schema.json)')
    .addHelpText('after', EXAMPLES)
    .action((options: ListingOptions) => showListing(listServices, options))
}

const EXAMPLES = `
Examples:
  $ serval services
  $ SERVAL_API=http://10.0.0.1:54327 serval services --json`

async function listServices(): Promise<Listing<Row>> {
  const { api, runtimeDir } = loadConfig()
  const [stacks, services] = await Promise.all([
    askStacks(new RuntimeDirectory(runtimeDir), { ask: 'status' }),
    readServices(api),
  ])
  const isMissed = services === undefined && api !== DEFAULT_API
  const noAnswer = `no controller answers at ${api} (SERVAL_API)`
  const rows = merge(stacks.flatMap(hostRows), (services ?? []).flatMap(controllerRows))
  if (isMissed && rows.length === 0) throw new Failure(noAnswer)
  if (isMissed) printNote(`${noAnswer}: these are the services of this host`)
  return {
    rows,
    columns: [
      { title: 'SERVICE', text: row => row.service, minWidth: 16 },
      { title: 'TYPE', text: row => row.protocol ?? '-', dropOrder: 2 },
      { title: 'PROGRAM', text: row => row.program, minWidth: 8, dropOrder: 1 },
      { title: 'PID', text: row => String(row.pid), align: 'right' },
      { title: 'ADDRESS', text: row => addressOf(row), minWidth: 21 },
      { title: 'WEIGHT', text: row => String(row.weight), align: 'right', dropOrder: 3 },
      { title: 'PRIORITY', text: row => String(row.priority), align: 'right', dropOrder: 4 },
      { title: 'KNOWN TO', text: row => row.knownTo.join(', ') },
    ],
    json: { controller: services === undefined ? null : api, services: grouped(rows) },
    ifEmpty: `nobody serves anything (asked ${runtimeDir}${services === undefined ? '' : ` and ${api}`})`,
  }
}

function hostRows({ instance, program, pid, endpoints, services }: StackStatus): Row[] {
  const isServed = ({ state }: ServiceStatus) => state === 'listening'
  return services.filter(isServed).map(
    ({ name, serviceIds, weight, priority, protocol = 'stream' as const }): Row => ({
      ...{ service: name, serviceId: serviceIds[0] ?? '', instance, program, pid, host: '', endpoints },
      ...{ weight, priority, protocol, knownTo: ['host'] },
    }),
  )
}

function controllerRows({ name, serviceId, instances }: RestService): Row[] {
  return instances.map((told: RestInstance) => {
    const { instance, program, pid, host, endpoints, weight, priority, protocol = null } = told
    return {
      ...{ service: name, serviceId, instance, program, pid, host, endpoints, weight, priority, protocol },
      knownTo: ['controller'],
    }
  })
}

/** What both know is one row; the host knows its own best. */
function merge(ofHost: readonly Row[], ofController: readonly Row[]): Row[] {
  const isSame = (own: Row, told: Row) =>
    own.instance === told.instance &&
    own.service === told.service &&
    (told.protocol === null || told.protocol === own.protocol)
  const known = ofHost.map((row): Row => {
    const twin = ofController.find(other => isSame(row, other))
    return twin === undefined ? row : { ...row, host: twin.host, knownTo: ['host', 'controller'] }
  })
  const others = ofController.filter(row => !ofHost.some(own => isSame(row, own)))
  return [...known, ...others].sort((a, b) => compare(a.service, b.service) || a.pid - b.pid)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The first is the best; of the others only how many there are. */
function addressOf({ endpoints }: Row): string {
  const [first = '-', ...others] = endpoints
  return others.length === 0 ? first : `${first} +${others.length}`
}

function grouped(rows: readonly Row[]) {
  const names = [...new Set(rows.map(({ service }) => service))]
  return names.map(name => {
    const instances = rows.filter(row => row.service === name)
    return {
      service: name,
      serviceId: instances[0]!.serviceId,
      instances: instances.map(({ service: _, serviceId: __, ...instance }) => instance),
    }
  })
}
