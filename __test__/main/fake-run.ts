/** A run that does what `--label` says, to see what the program makes of it. */
import type { RunContext } from '../../src/context.js'
import type { CopyOptions } from '../../src/copy/options.js'
import type { ExitCode } from '../../src/exit.js'

export async function runCopy(options: CopyOptions, context: RunContext): Promise<ExitCode> {
  const { report, stop } = context
  report.phaseStart('copy')
  const forever = () => new Promise<never>(() => {})
  switch (options.label) {
    case 'wait': {
      // Ends in order at the first signal.
      const alive = setInterval(() => {}, 1000)
      context.stdout.write('READY\n')
      await new Promise((settle) => stop.orderly.addEventListener('abort', settle))
      clearInterval(alive)
      context.stdout.write('SAVED\n')
      return 130
    }
    case 'stubborn': {
      // Hears the first signal and goes on; ends at the second.
      const alive = setInterval(() => {}, 1000)
      stop.onStop((level) => context.stdout.write(`LEVEL ${level}\n`))
      context.stdout.write('READY\n')
      await new Promise((settle) => stop.immediate.addEventListener('abort', settle))
      clearInterval(alive)
      return 130
    }
    case 'hang':
      setInterval(() => {}, 1000)
      stop.onStop((level) => context.stdout.write(`LEVEL ${level}\n`))
      context.stdout.write('READY\n')
      return forever()
    case 'throw':
      throw new TypeError('x is not a function')
    case 'reject':
      void Promise.reject(new Error('nobody caught this'))
      await new Promise((settle) => stop.orderly.addEventListener('abort', settle))
      return 0
    case 'dry':
      return forever()
    case 'flood': {
      for (let i = 0; i < 100_000 && !stop.requested; i += 1) {
        report.data(`line ${i}`)
        if (i % 100 === 0) await new Promise((settle) => setImmediate(settle))
      }
      return stop.requested ? 130 : 0
    }
    default:
      report.event({
        type: 'file-error',
        path: 'a',
        doing: 'read',
        code: 'EIO',
        message: 'input/output error',
      })
      return 23
  }
}
