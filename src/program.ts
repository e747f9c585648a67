/**
 * The process around `runCli`: arguments, streams, signals, exit code.
 *
 * With `main.ts` the only file that touches `process`. It never calls `process.exit`: the exit code
 * is set and the loop drains, so that output is written and native threads end in order. The code stands
 * at "internal error" until the run has said otherwise, so a loop that runs dry never looks like a success.
 */
import { exactArguments } from './argv.js'
import { runCli } from './cli.js'
import { safeLine } from './display.js'
import { describeError } from './errors.js'
import { Exit } from './exit.js'
import { StopController } from './stop.js'
import { PROGRAM } from './version.js'

export { manual } from './cli.js'

/** How long a second Ctrl-C waits for the run to end by itself before the signal gets its way. */
const GRACE_MS = 1000

/** Runs the command of the arguments `args`, as Node.js has them, and sets the exit code. Never rejects. */
export async function runProgram(args: string[]): Promise<void> {
  const stop = new StopController()
  const infoListeners = new Set<() => void>()
  let fatal = false
  let over = false
  process.exitCode = Exit.internal

  const tell = (error: unknown): number => {
    const { lines, exit } = describeError(error, args.includes('-vv'))
    // What is shown of progress stands from the cursor on.
    if (process.stderr.isTTY && process.env.TERM !== 'dumb') process.stderr.write('\r\u001b[J')
    process.stderr.write(`${PROGRAM}: ${lines.map(safeLine).join('\n  ')}\n`)
    return exit
  }
  // What nobody caught: told, and the run is asked to save and end.
  const onFault = (error: unknown): void => {
    if (!fatal) tell(error)
    fatal = true
    stop.request()
  }
  process.on('uncaughtException', onFault)
  process.on('unhandledRejection', onFault)

  // A reader that has gone (`… | head`) ends the run quietly. Nobody to tell on stderr: go on.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') stop.request()
    else onFault(new Error(`stdout can't be written: ${error.message}`))
  })
  process.stderr.on('error', () => {})

  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const onSignal = (): void => {
    if (stop.request() < 2) return
    // Every state on a drive can be recovered, so a run that hangs in a system call may be cut off.
    for (const signal of signals) process.removeListener(signal, onSignal)
    setTimeout(() => {
      if (!over) process.kill(process.pid, 'SIGINT')
    }, GRACE_MS).unref()
  }
  for (const signal of signals) process.on(signal, onSignal)
  // A listener on SIGUSR1 also keeps Node from starting its debugger.
  const onInfo = (): void => {
    for (const listener of infoListeners) listener()
  }
  process.on('SIGUSR1', onInfo)
  if (process.platform !== 'linux' && process.platform !== 'win32') {
    process.on('SIGINFO' as NodeJS.Signals, onInfo)
  }
  process.on('exit', () => {
    if (!over) process.stderr.write(`${PROGRAM}: internal error: the run ended without a result\n`)
  })

  let code: number
  try {
    code = await runCli(exactArguments(args), {
      stdin: process.stdin,
      stdout: process.stdout,
      stderr: process.stderr,
      env: process.env,
      colorDepth: 1,
      cwd: process.cwd(),
      stdinIsTTY: process.stdin.isTTY === true,
      stdoutIsTTY: process.stdout.isTTY === true,
      stderrIsTTY: process.stderr.isTTY === true,
      stop,
      onInfoSignal: (listener) => {
        infoListeners.add(listener)
        return () => infoListeners.delete(listener)
      },
    })
  } catch (error) {
    code = tell(error)
  }
  over = true
  process.exitCode = fatal ? Exit.internal : code
}
