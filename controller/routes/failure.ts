/** What the REST says where it cannot do what it was asked. */
export function failure(code: string, message: string) {
  return { error: { code, message } }
}
