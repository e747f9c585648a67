#!/usr/bin/env node
/**
 * The program. What its version is it says before anything else is loaded; all else is `program.ts`.
 */
import { PROGRAM, version } from './version.js'

const args = process.argv.slice(2)
if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
  process.stdout.write(`${PROGRAM} ${version()}\n`)
} else {
  // Not awaited here: Node.js would complain of that where a run ends without a result.
  void import('./program.js').then(({ runProgram }) => runProgram(args))
}
