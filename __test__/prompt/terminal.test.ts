/** Prompts at a real terminal (a pseudo one), and where there is none. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { spawn as spawnPty } from '@lydell/node-pty'
import test from 'ava'

const asker = fileURLToPath(new URL('./asker.ts', import.meta.url))
const args = (questions: number): string[] => ['--import=tsx', asker, String(questions)]

/** Runs the asker at a terminal; `reply` is called once for each prompt and gives what is typed. */
function atTerminal(
  questions: number,
  replies: readonly string[],
): Promise<{ out: string; code: number }> {
  return new Promise((settle) => {
    const pty = spawnPty(process.execPath, args(questions), {
      cols: 80,
      rows: 24,
      env: process.env as never,
    })
    let out = ''
    let answered = 0
    pty.onData((data) => {
      out += data
      const prompts = out.split('> ').length - 1
      while (answered < Math.min(prompts, replies.length)) {
        pty.write(replies[answered] as string)
        answered += 1
      }
    })
    pty.onExit(({ exitCode }) => settle({ out, code: exitCode }))
  })
}

test('answers come back trimmed, keys in lower case, and the process ends by itself', async (t) => {
  const { out, code } = await atTerminal(3, ['  /media/Disk \r', 'C\r', '\r'])
  t.is(code, 0)
  t.true(out.includes('CANASK true'))
  t.true(out.includes('ANSWER "/media/Disk"'))
  t.true(out.includes('ANSWER "c"'))
  t.true(out.includes('ANSWER ""'))
  t.regex(out, /END\r\n$/)
})

test('the prompt ends in "> ", the display makes room, and nothing can move the cursor', async (t) => {
  const { out } = await atTerminal(1, ['x\r'])
  t.regex(out, /PAUSE\r\nfirst line\r\nquestion 1\\x1b\[2J> x\r\nRESUME\r\n/)
})

test('lines that were typed ahead answer the next questions', async (t) => {
  const { out } = await atTerminal(2, ['one\rtwo\r'])
  t.regex(out, /ANSWER "one"[\s\S]*ANSWER "two"/)
})

test('Ctrl-D is the end of input, once and for ever', async (t) => {
  const { out, code } = await atTerminal(2, ['\u0004'])
  t.is(code, 0)
  t.is(out.split('ANSWER EOF').length - 1, 2)
  t.true(out.includes('STOPPED false'))
})

test('Ctrl-C at the prompt goes through the stop signal', async (t) => {
  const { out, code } = await atTerminal(1, ['\u0003'])
  t.is(code, 0)
  t.true(out.includes('ANSWER EOF'))
  t.true(out.includes('STOPPED true'))
})

test('without a terminal nothing is asked, whatever is on stdin', async (t) => {
  const child = spawn(process.execPath, args(1), { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.end('c\n')
  let out = ''
  let err = ''
  child.stdout.on('data', (data) => {
    out += data
  })
  child.stderr.on('data', (data) => {
    err += data
  })
  await new Promise((settle) => child.once('close', settle))
  t.true(out.includes('CANASK false'))
  t.true(out.includes('ANSWER EOF'))
  t.is(err, '')
})
