/** What is told of one thing reads as of one thing: commands on a set with a single file. */

import * as fs from 'node:fs'
import * as path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { progressLine } from '../../src/report/render.js'
import { ended, makeSource, put } from '../copy/kit.js'
import { type Host, makeHost } from '../helpers/cli.js'
import { tempDir } from '../helpers/temp.js'

/** One file on one drive. */
async function single(t: ExecutionContext): Promise<{ host: Host; source: string; drive: string }> {
  const host = makeHost()
  const source = makeSource({ only: 'text' })
  const drive = tempDir('drive')
  ended(t, await host.run([source, '-o', drive, '-y']), 0)
  return { host, source, drive }
}

/** Fails where one is spoken of as many. */
function readsWell(t: ExecutionContext, text: string): void {
  for (const wrong of [
    /(?<![\d,])1 (files|entries|drives|copies|bytes|directories)\b/,
    /(?<![\d,])1 (file|entry|drive|copy) (\([^)]*\) )?(on it |of it |that match )?(are|were|go|count)\b/,
  ]) {
    t.notRegex(text, wrong)
  }
}

test('a drive with one file: retired, lost, restored, foreign files', async (t) => {
  const { host, source, drive } = await single(t)
  const retired = await host.run(['volumes', 'retire', '1'])
  ended(t, retired, 0)
  t.regex(retired.stderr, /1 file \(4 B\) on it is copied to other drives by the next run/)
  const lost = await host.run(['lost', '1'])
  ended(t, lost, 0)
  t.regex(lost.stderr, /1 file \(4 B\) on it is in the sources: the next run copies it/)
  const other = tempDir('other')
  put(other, 'holiday', 'mine')
  const copied = await host.run([source, '-o', other, '-y'])
  ended(t, copied, 0)
  t.regex(
    copied.stderr,
    /holds 1 file or directory \("holiday"\)[^\n]*\. What is there is left alone/,
  )
  const cleansed = await host.run([source, '-o', other, '--delete-foreign'])
  ended(t, cleansed, 0)
  t.regex(cleansed.stderr, /^1 foreign file \(4 B\) on drive 2 \(.*\) is removed/m)
  t.false(fs.existsSync(path.join(other, 'holiday')))
  const back = await host.run(['restore', '-o', other, '--to', tempDir('back')])
  ended(t, back, 0)
  for (const run of [retired, lost, copied, cleansed, back]) readsWell(t, run.stderr)
  t.true(fs.existsSync(drive))
})

test('a source whose only file is gone, a plan of one drive, a file that was never copied', async (t) => {
  const { host, source, drive } = await single(t)
  fs.mkdirSync(path.join(source, 'empty'))
  fs.rmSync(path.join(source, 'only'))
  const gone = await host.run([source, '-o', drive])
  ended(t, gone, 25)
  t.regex(gone.stderr, /its only file is gone/)
  put(source, 'only', 'text')
  put(source, 'new', 'more')
  const file = path.join(tempDir('plan'), 'plan')
  const planned = await host.run(['plan', source, '--volume-size', '9M', '--save', file])
  ended(t, planned, 0)
  t.regex(planned.stderr, /1 drive \(1\)\.\nWrite it where you like: .* Then adopt it\./)
  put(source, 'large', 5_000_000)
  ended(t, await host.run([source, '-o', drive, '--volume-size', '1M']), 23)
  const none = await host.run(['restore', '-o', drive, '--to', tempDir('back'), 'large'])
  t.regex(none.stderr, /of 1 entry that matches there is no copy/)
  for (const run of [gone, planned, none]) readsWell(t, run.stderr)
})

test('progress: the last number decides', (t) => {
  const one = { files: { done: 0, total: 1 }, bytes: { done: 0, total: 5 } }
  t.regex(progressLine('copy', one, {} as never), / 0 of 1 file( |$)/)
  const none = { files: { done: 0, total: 0 }, bytes: { done: 0, total: 5 } }
  t.regex(progressLine('copy', none, {} as never), / 0 of 0 files( |$)/)
  const seen = { files: { done: 1 }, bytes: { done: 0 } }
  t.regex(progressLine('scan', seen, {} as never), / 1 entry( |$)/)
})
