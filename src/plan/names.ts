/** Which names a file system cannot take as they are, for what a plan tells beforehand. It changes no placement. */
import { Flag } from './page.js'

/**
 * The bits of `Flag` for names that stand under another one on a file system that holds what Windows can name
 * (`windows`), whatever the driver on Linux takes. What is found out about other file systems is found out by
 * trying, when the drive is opened.
 */
export function refusedNames(windows: boolean): number {
  return windows ? Flag.oddCharacter | Flag.oddEnd | Flag.notText : 0
}
