/** How the figures of the runners become the one line at the end of `.ci/run`. */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const script = fileURLToPath(new URL('../../scripts/count-tests.mjs', import.meta.url))

const cargo = [
  'test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.04s',
  'test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s',
].join('\n')
const ava = tap({ pass: 4 })

function tap({ pass = 0, skip = 0, fail = 0 }): string {
  const all = pass + skip + fail
  const lines = [`1..${all}`, `# tests ${all}`, `# pass ${pass}`]
  if (skip) lines.push(`# skip ${skip}`)
  return `\nTAP version 13\nok 1 - a\n#   # pass 99\n\n${lines.join('\n')}\n# fail ${fail}\n\n`
}

function count(log: string, ...options: string[]) {
  const run = spawnSync(process.execPath, [script, ...options], { input: log, encoding: 'utf8' })
  const lines = run.stdout.trimEnd().split('\n')
  return { last: lines.at(-1), why: lines.slice(0, -1).join('\n'), code: run.status }
}

test('the figures of both runners are added up', (t) => {
  t.deepEqual(count(cargo + ava), { last: '19 passed, 0 failed', why: '', code: 0 })
})

test('a failed test of either runner fails the whole', (t) => {
  const broken = cargo.replace('ok. 3 passed; 0 failed', 'FAILED. 2 passed; 1 failed')
  t.like(count(broken + ava, '--status', '1'), { last: '18 passed, 1 failed', code: 1 })
  t.like(count(cargo + tap({ pass: 3, fail: 1 }), '--status', '1'), {
    last: '18 passed, 1 failed',
    code: 1,
  })
})

test('skips are named, and fail the whole where nothing may be skipped', (t) => {
  const log = cargo + tap({ pass: 3, skip: 1 })
  t.like(count(log), { last: '18 passed, 0 failed, 1 skipped', code: 0 })
  t.like(count(log, '--no-skips'), { last: '18 passed, 1 failed, 1 skipped', code: 1 })
  const ignored = cargo.replace('0 ignored', '2 ignored') + ava
  t.like(count(ignored), { last: '19 passed, 0 failed, 2 skipped', code: 0 })
})

test('a runner that says nothing, or does not get to its end, is a failure', (t) => {
  t.like(count(ava), { last: '4 passed, 1 failed', code: 1 })
  t.like(count(cargo), { last: '15 passed, 1 failed', code: 1 })
  t.like(count(''), { last: '0 passed, 2 failed', code: 1 })
  t.like(count(`${cargo}\nTAP version 13\nok 1 - a\n#   # pass 99\n`), { code: 1 })
  t.like(count(cargo + tap({})), { last: '15 passed, 1 failed', code: 1 })
})

test('a crash without a failed test is a failure, and so is each failed check', (t) => {
  t.like(count(cargo + ava, '--status', '134'), { last: '19 passed, 1 failed', code: 1 })
  const checks = ['--failed-check', 'lint', '--failed-check', 'types']
  const result = count(cargo + ava, ...checks)
  t.deepEqual(result, {
    last: '19 passed, 2 failed',
    why: 'failure: lint failed\nfailure: types failed',
    code: 1,
  })
})

test('what the runners said of each failed test is told again at the end', (t) => {
  const said = [
    "---- plan::full stdout ----\n\nthread 'plan::full' panicked at crates/core/src/plan.rs:7:5:\nleft: 1",
    '---- plan::empty stdout ----\nno room',
  ]
  const list = 'failures:\n    plan::empty\n    plan::full'
  const broken = `test plan::full ... FAILED\n\nfailures:\n\n${said.join('\n\n')}\n\n\n${list}\n\n`
  const failed =
    "not ok 2 - copy › full\n#   a seed\n  ---\n    at: >-\n      x.js\n\n    message: ''\n  ..."
  const log = `${broken}${cargo}${tap({ pass: 3, fail: 2 }).replace('ok 1 - a\n', `${failed}\nok 3 - b\nnot ok 4 - c\n  ...\nok 1 - a\n`)}`
  t.deepEqual(count(log, '--status', '1'), {
    last: '18 passed, 2 failed',
    why: `${[...said, failed, 'not ok 4 - c\n  ...'].join('\n\n')}\n`,
    code: 1,
  })
  const long = failed.replace(
    '      x.js',
    Array(99)
      .fill(`      ${'x'.repeat(2000)}`)
      .join('\n'),
  )
  const { why } = count(cargo + tap({ fail: 1 }).replace('ok 1 - a', long))
  t.true(why.length < 90_000)
  t.true(why.endsWith('\n'))
  t.true(why.includes("message: ''"))
})
