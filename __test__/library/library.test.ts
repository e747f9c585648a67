/** The library: results, events, an answer, an abort, and nothing printed. The built form is what is imported. */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type * as Library from '../../src/index.js'
import { makeSource, put } from '../copy/kit.js'
import { assertUnionEquals } from '../helpers/compare.js'
import { tempDir } from '../helpers/temp.js'

const built = fileURLToPath(new URL('../../dist/index.js', import.meta.url))
const { copy, plan, restore, UserError, verify, walk }: typeof Library = await import(built)

/** A machine of its own. */
function place() {
  const top = tempDir('library')
  return { cwd: top, env: { HOME: top, XDG_STATE_HOME: path.join(top, 'state'), TMPDIR: top } }
}

test('walk, plan, copy, verify, restore', async (t) => {
  const at = place()
  const source = makeSource({ 'a/one': 1000, 'a/two': 2000, b: 'text' })
  fs.mkdirSync(path.join(source, 'empty'))
  fs.symlinkSync('b', path.join(source, 'link'))
  const walked = []
  for await (const entry of walk({ ...at, sources: [source] })) walked.push(entry)
  t.deepEqual(
    walked.map(({ path: one, kind, size }) => [one, kind, size]),
    [
      ['a', 'dir', 0],
      ['a/one', 'file', 1000],
      ['a/two', 'file', 2000],
      ['b', 'file', 4],
      ['empty', 'dir', 0],
      ['link', 'symlink', 1],
    ],
  )
  t.is(walked[1]?.mtime, 1_700_000_000)
  t.false(fs.existsSync(path.join(at.cwd, 'state')), 'a walk keeps nothing')

  const out = tempDir('out')
  const planned = await plan({ ...at, sources: [source], outputs: [out] })
  t.like(planned, { exit: 0, plan: { files: 3, bytes: 3004, dryRun: true } })
  t.deepEqual(fs.readdirSync(out), [])

  const events: Library.RunEvent[] = []
  const phases = new Set<string | undefined>()
  const copied = await copy({
    ...at,
    sources: [source],
    outputs: [out],
    label: 'blue',
    onEvent: (event) => events.push(event),
    onProgress: ({ phase }) => phases.add(phase),
  })
  t.like(copied, { exit: 0, summary: { complete: true, written: { files: 3, bytes: 3004 } } })
  t.deepEqual(copied.errors, [])
  t.deepEqual(
    events.map(({ type }) => type),
    ['plan', 'volume-opened', 'volume-closed', 'summary'],
  )
  assertUnionEquals(t, source, [out])

  const told: Library.ProgressUpdate[] = []
  const onProgress = (progress: Library.ProgressUpdate) => told.push(progress)
  t.like(await verify({ ...at, output: out, onProgress }), { exit: 0, findings: [] })
  t.deepEqual(told.at(-1)?.files, { done: 3, total: 3 })
  t.deepEqual(told.at(-1)?.bytes, { done: 3004, total: 3004 })
  fs.writeFileSync(path.join(out, 'b'), 'evil')
  fs.utimesSync(path.join(out, 'b'), 1_700_000_000.25, 1_700_000_000.25)
  const checked = await verify({ ...at, output: out })
  t.is(checked.exit, 1)
  t.deepEqual(
    checked.findings.map(({ result, path: one }) => [result, one]),
    [['corrupt', 'b']],
  )
  const to = tempDir('to')
  const back = await restore({ ...at, outputs: [out], to, paths: ['a'] })
  t.like(back, { exit: 0, summary: { restored: { files: 2 } } })
  assertUnionEquals(t, path.join(source, 'a'), [path.join(to, 'a')])
})

test('a question is answered by the caller, and without one the safe default holds', async (t) => {
  const at = place()
  const source = makeSource({ a: 10, b: 20 })
  const out = tempDir('out')
  const both = { ...at, sources: [source], outputs: [out] }
  t.is((await copy(both)).exit, 0)
  fs.rmSync(path.join(source, 'b'))
  put(source, 'c', 5)
  t.is((await copy(both)).exit, 0)
  t.true(fs.existsSync(path.join(out, 'b')), 'nobody said yes')
  const asked: string[] = []
  put(source, 'd', 5)
  const ask = async (question: readonly string[]): Promise<string> => {
    asked.push(...question)
    return 'y'
  }
  t.is((await copy({ ...both, ask })).exit, 0)
  t.true(asked.length > 0)
  t.false(fs.existsSync(path.join(out, 'b')))
})

test('an abort ends a run with 130, and the same call goes on; wrong usage is a UserError', async (t) => {
  const at = place()
  const source = makeSource(
    Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`f${n}`, 50_000 + n])),
  )
  const out = tempDir('out')
  const both = { ...at, sources: [source], outputs: [out], workers: 1 }
  const abort = new AbortController()
  const stopped = await copy({
    ...both,
    signal: abort.signal,
    onEvent: ({ type }) => type === 'volume-opened' && abort.abort(),
  })
  t.is(stopped.exit, 130)
  t.is((await copy(both)).exit, 0)
  assertUnionEquals(t, source, [out])
  t.is((await verify({ ...at, output: out, signal: AbortSignal.abort() })).exit, 130)
  const wrong = await t.throwsAsync(copy({ ...both, sources: ['/no/such/source'] }), {
    instanceOf: UserError,
  })
  t.is(wrong?.exit, 2)
  await t.throwsAsync(verify({ ...at, output: source }), { instanceOf: UserError })
})

test('nothing is printed and the process goes on, also where a run fails', (t) => {
  const at = place()
  const script = `
    import { copy, verify } from ${JSON.stringify(built)}
    const result = await copy({ sources: [process.argv[1]], outputs: [process.argv[2]] })
    await verify({ output: process.argv[1] }).catch((error) => { process.exitCode = 40 + error.exit })
    if (result.exit !== 0) process.exitCode = 3
  `
  const run = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', script, makeSource({ a: 1 }), tempDir('out')],
    { cwd: at.cwd, env: { ...at.env, PATH: process.env.PATH }, encoding: 'utf8' },
  )
  t.deepEqual([run.status, run.stdout, run.stderr], [42, '', ''])
})
