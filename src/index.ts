/** What `import ... from 'serval'` gives: every public name of the package that is not a module of its own. */

export { type ErrorCode, type ErrorDetails, errors, ServalError } from './errors.ts'
export type { FlowInfo, PathInfo } from './flow/flow-info.ts'
export { parseServiceName, parseServicePattern, type ServiceName, serviceIdOf } from './id/name.ts'
export { type PortService, parsePortService, portServiceName } from './id/port-service.ts'
export { ServiceId } from './id/service-id.ts'
export { ServicePrefix } from './id/service-prefix.ts'
export type { Config, ConfigOptions } from './net/config.ts'
export { type MigrateTarget, openStack, type ServiceTarget, Stack, type StackOptions } from './net/stack.ts'
export { version } from './net/version.ts'
export type { Rule, RuleOrigin } from './service/rule.ts'
export { formatRule, parseRule, type RuleLine } from './service/rule-text.ts'
export { ServiceTable } from './service/service-table.ts'
