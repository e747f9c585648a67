// Reads what `npm test -- --tap` printed, from stdin, and says in one line how the tests went.
//
//   node scripts/count-tests.mjs [--status N] [--failed-check NAME]... [--no-skips] < LOG
//
// Counted are the runners' own figures: each `test result:` line of cargo, and the closing block of
// ava's TAP. A runner that gave no figures, or that failed without a failed test (`--status` is the
// exit code of `npm test`), and each failed check counts as one failure, and is named. What the runners
// said of each failed test is told again, for it stands thousands of lines above. The last line is
// `N passed, N failed`, with `, N skipped` where there are any. Exit code 1 if anything failed.

import * as fs from 'node:fs'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    status: { type: 'string', default: '0' },
    'failed-check': { type: 'string', multiple: true, default: [] },
    'no-skips': { type: 'boolean', default: false },
  },
})

const log = fs.readFileSync(0, 'utf8')
const problems = values['failed-check'].map((check) => `${check} failed`)
const cargo = countCargo(log)
const ava = countAva(log)
if (!cargo) problems.push('cargo reported no tests')
if (!ava) problems.push('ava reported no tests, or did not get to its end')

const sum = (key) => (cargo?.[key] ?? 0) + (ava?.[key] ?? 0)
const [passed, skipped] = [sum('passed'), sum('skipped')]
if (values.status !== '0' && sum('failed') === 0 && cargo && ava) {
  problems.push(`the tests ended with exit code ${values.status} although none failed`)
}
if (values['no-skips'] && skipped > 0)
  problems.push(`${skipped} tests were skipped; here all must run`)

for (const text of [...failedOfCargo(log), ...failedOfAva(log)]) {
  process.stdout.write(`${shortened(text)}\n\n`)
}
for (const problem of problems) process.stdout.write(`failure: ${problem}\n`)
const failed = sum('failed') + problems.length
process.stdout.write(
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`,
)
process.exitCode = failed > 0 ? 1 : 0

function countCargo(text) {
  const line = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;/gm
  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const [, passed, failed, ignored] of text.matchAll(line)) {
    total.passed += Number(passed)
    total.failed += Number(failed)
    total.skipped += Number(ignored)
  }
  return total.passed + total.failed + total.skipped > 0 ? total : undefined
}

function countAva(text) {
  // What a test logs is printed as a comment too, so only the block at the very end is the runner's.
  const block = /\n1\.\.\d+\n# tests \d+\n# pass (\d+)\n(?:# skip (\d+)\n)?# fail (\d+)\s*$/.exec(
    text,
  )
  if (!block) return undefined
  const [passed, skipped = 0, failed] = block.slice(1).map((figure) => Number(figure ?? 0))
  return passed + skipped + failed > 0 ? { passed, skipped, failed } : undefined
}

/** What a test of Rust printed until it failed, each under its name. */
function failedOfCargo(text) {
  return text.match(/^---- .+ stdout ----\n[\s\S]*?(?=\n\n+(?:---- |failures:\n))/gm) ?? []
}

/** The line of a failed test of ava's with what is indented below it. */
function failedOfAva(text) {
  return text.match(/^not ok \d+ - .*(?:\n(?:#? {2}.*)?(?=\n))*/gm)?.map((t) => t.trimEnd()) ?? []
}

/** Beginning and end of what may be the output of a whole command. */
function shortened(text) {
  const lines = text
    .split('\n')
    .map((line) => (line.length > 1000 ? `${line.slice(0, 1000)}…` : line))
  return lines.length <= 80
    ? lines.join('\n')
    : [...lines.slice(0, 40), '…', ...lines.slice(-40)].join('\n')
}
