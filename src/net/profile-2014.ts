/** What a stack of the 2014 profile has that one of the native profile has not. */
export { dialect2014 as dialect } from '../sal/dialect-2014.ts'
export { RawIpNetwork } from './links/raw-ip-network.ts'
