// `npm start -- SRC... -o OUTPUT`: sets the checkout up if need be, then runs the program.
//
// The program runs in the directory where the user stood, on the user's terminal, and its exit code
// (or the signal that ended it) becomes ours. A signal reaches it once: Ctrl-C is sent by the
// terminal to the whole group, so handing it on as well would make the program's second one of it,
// which means "stop at once".

import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { explained, root, setUp } from './setup.mjs'

await explained(async () => {
  setUp()
  // npm moves to the top of the package first, and leaves in INIT_CWD where it was called.
  const stood = process.env.npm_lifecycle_event === 'start' ? process.env.INIT_CWD : undefined
  await run([path.join(root, 'dist', 'main.js'), ...process.argv.slice(2)], stood ?? process.cwd())
})

function run(args, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, stdio: 'inherit' })
    const listeners = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'].map(
      (signal) => [signal, () => handOn(signal, child)],
    )
    for (const [signal, listener] of listeners) process.on(signal, listener)
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      for (const [name, listener] of listeners) process.off(name, listener)
      if (signal) process.kill(process.pid, signal)
      process.exitCode = code ?? 1
      resolve()
    })
  })
}

function handOn(signal, child) {
  const fromTerminal = ['SIGINT', 'SIGHUP', 'SIGQUIT'].includes(signal)
  if (fromTerminal && inForeground()) return
  child.kill(signal)
}

/** Whether a terminal sends its signals to our process group, and so to the program itself. */
function inForeground() {
  try {
    // proc_pid_stat(5): the command's name may hold anything, so the fields are counted after it.
    const stat = fs.readFileSync('/proc/self/stat', 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [group, terminalGroup] = [fields[2], fields[5]]
    return group === terminalGroup
  } catch {
    return process.stdin.isTTY === true || process.stderr.isTTY === true
  }
}
