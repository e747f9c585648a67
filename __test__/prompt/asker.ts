/**
 * A small program that asks at a real terminal, for the pseudo-terminal tests: the number of questions
 * is its argument. It prints `ANSWER <json>` after each and `END` when nothing holds it any more.
 */
import { createPrompter } from '../../src/prompt/create.js'
import { EOF } from '../../src/prompt/prompter.js'
import { StopController } from '../../src/stop.js'

const stop = new StopController()
process.on('SIGINT', () => stop.request())
process.on('exit', () => process.stdout.write('END\n'))

const prompter = createPrompter(
  {
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
    onInfoSignal: () => () => {},
  },
  { pause: () => process.stderr.write('PAUSE\n'), resume: () => process.stderr.write('RESUME\n') },
  false,
)
process.stdout.write(`CANASK ${prompter.canAsk}\n`)
for (let i = 1; i <= Number(process.argv[2]); i += 1) {
  const answer = await prompter.ask(['first line', `question ${i}\u001b[2J`], { keys: ['c'] })
  process.stdout.write(`ANSWER ${answer === EOF ? 'EOF' : JSON.stringify(answer)}\n`)
}
process.stdout.write(`STOPPED ${stop.requested}\n`)
