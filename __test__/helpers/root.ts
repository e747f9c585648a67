/** A test that needs root: it stays visible as skipped where the tests run without it. */

import test, { type ExecutionContext } from 'ava'
import { isRoot } from './temp.js'

/**
 * Declares a serial test that mounts things. Serial, because mounts and loop devices are shared by
 * the whole machine and a test in trouble should not drag others along.
 */
export function rootTest(title: string, body: (t: ExecutionContext) => void | Promise<void>): void {
  if (isRoot) test.serial(title, body)
  else test.serial.skip(`${title} (needs root)`, body)
}
