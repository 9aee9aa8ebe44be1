// Which folder may import which, for dependency-cruiser: the arrows of the folder tour in README, no cycles,
// and no way from the cores to the machine. Type imports count as imports.

/** @typedef {import('dependency-cruiser').IForbiddenRuleType} Rule */

/**
 * The arrows. A room may import itself, those named here, and in turn what these may import.
 * @type {Record<string, string[]>}
 */
const arrows = {
  'src/errors': [],
  'src/id': [],
  'src/wire': ['src/id'],
  'src/security': ['src/wire'],
  'src/transport': ['src/wire'],
  'src/flow': ['src/transport', 'src/security'],
  'src/service': ['src/wire'],
  'src/sal': ['src/flow', 'src/service'],
  'src/router': ['src/service'],
  'src/control': ['src/service'],
  'src/net': ['src/sal', 'src/router', 'src/control'],
  'src/sockets': ['src/net'],
  'src/index': ['src/sockets'],
  'src/bin': ['src/net', 'src/sockets', 'controller'],
  controller: ['src/control', 'src/id'],
  // An example imports the package by its name, as a user's program does.
  examples: [],
  bench: ['src/bin', 'src/index', 'test/support'],
}

/**
 * The cores, and what they may import from outside: nothing that knows the time, the network or the disk.
 * Which names of node:crypto (synchronous, no randomness) is the linter's to say.
 * @type {Record<string, string[]>}
 */
const outside = {
  'src/errors': [],
  'src/id': ['crypto'],
  'src/wire': [],
  'src/security': ['crypto'],
  'src/transport': [],
  'src/flow': [],
  'src/service': [],
  'src/sal': [],
  'src/router': [],
  'src/control': ['protobufjs'],
}

const ours = '^(src|controller|examples|bench|test)/'

/** @param {string} room A folder, or a single file without its ending. */
const within = room => `^${room}(/|\\.ts$)`

/** @param {string} room @returns {string[]} It, and all that its arrows lead to. */
const reach = room => [room, ...(arrows[room] ?? []).flatMap(reach)]

/** @param {string} name Of a Node module or a package, resolved or not. */
const external = name => `(^|node_modules/)${name}(/|$)`

/** @type {Rule[]} */
const arrowRules = Object.entries(arrows).map(([room, next]) => ({
  name: `${room} imports ${next.join(', ') || 'no other room'}`,
  severity: 'error',
  from: { path: within(room) },
  to: { path: ours, pathNot: [...reach(room), 'src/errors'].map(within) },
}))

/** @type {Rule[]} */
const outsideRules = Object.entries(outside).map(([room, names]) => ({
  name: `${room} imports ${names.join(', ') || 'nothing'} from outside`,
  severity: 'error',
  from: { path: within(room) },
  to: { pathNot: [ours, '^\\.', ...names.map(external)] },
}))

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...arrowRules,
    ...outsideRules,
    {
      name: 'no cycles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no room without arrows',
      severity: 'error',
      from: { path: '^src/', pathNot: Object.keys(arrows).map(within) },
      to: {},
    },
    {
      name: 'no import that leads nowhere',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: external('serval') },
    },
    {
      name: 'the product does not import itself by name',
      severity: 'error',
      from: { path: '^(src|controller)/' },
      to: { path: ['^dist/', external('serval')] },
    },
    {
      name: 'the product imports what package.json gives its users',
      severity: 'error',
      from: { path: '^(src|controller)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
  required: [
    {
      // The canary: a checker that cannot read this TypeScript version sees no imports, and finds no fault.
      name: 'every test is seen to import vitest',
      severity: 'error',
      module: { path: '^test/.*\\.test\\.ts$' },
      to: { path: external('vitest') },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '^dist/', '^src/control/generated/'] },
    tsPreCompilationDeps: true,
    detectProcessBuiltinModuleCalls: true,
    preserveSymlinks: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['types', 'import', 'node', 'default'],
    },
  },
}
