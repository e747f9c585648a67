/** The program's name and version: the one place that reads them. */
import { readFileSync } from 'node:fs'

/** The name under which the program is called. */
export const PROGRAM = 'multivolumecopy'

/** The version in package.json, which lies one directory above both `src` and `dist`. */
export function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  const { version } = JSON.parse(text) as { version: string }
  return version
}
