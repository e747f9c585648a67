// `npm test`: sets the checkout up if need be, then runs all tests, Rust's and then TypeScript's.
//
// Both suites always run and print their own reports; the exit code is 1 if either fails. Arguments
// go to ava (`npm test -- --tap`, `npm test -- __test__/size.test.ts`).

import { spawn } from 'node:child_process'
import * as path from 'node:path'
import { explained, root, setUp, toolEnv } from './setup.mjs'

await explained(async () => {
  setUp()
  const suites = [
    ['cargo', ['test', '--workspace', '--no-fail-fast']],
    [
      process.execPath,
      [path.join(root, 'node_modules/ava/entrypoints/cli.mjs'), ...process.argv.slice(2)],
    ],
  ]
  for (const [command, args] of suites) {
    if (!(await passes(command, args))) process.exitCode = 1
  }
})

function passes(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env: toolEnv(), stdio: 'inherit' })
    child.on('error', (error) => {
      process.stderr.write(`${command} could not be run: ${error.message}\n`)
      resolve(false)
    })
    child.on('exit', (code, signal) => {
      if (signal) process.stderr.write(`${command} was ended by ${signal}\n`)
      resolve(code === 0)
    })
  })
}
