/** `report --html`: one file, from the catalog of the host alone, with a history; nobody's file is overwritten. */

import * as fs from 'node:fs'
import * as path from 'node:path'
import test from 'ava'
import { ended, makeSource, put } from '../copy/kit.js'
import { makeHost } from '../helpers/cli.js'
import { tempDir } from '../helpers/temp.js'
import { close, open, search } from './browser.js'

test.after.always(close)

test('the set as one page, with the history of runs and checks', async (t) => {
  const host = makeHost()
  const source = makeSource({ 'a/<b>one</b>': 1_500_000, 'c/two': 1_500_000 })
  for (let n = 0; n < 300; n += 1) put(source, `many/a name that is long enough, number ${n}`, '')
  const [one, two] = [tempDir('one'), tempDir('two')]
  const args = [source, '-o', one, '-o', two, '--volume-size', '2500K', '--set', 'photos']
  ended(t, await host.run(args), 0)
  ended(t, await host.run(['verify', '-o', one]), 0)
  fs.writeFileSync(
    path.join(two, fs.existsSync(path.join(two, 'c/two')) ? 'c/two' : 'a/<b>one<'),
    'x',
  )
  ended(t, await host.run(['verify', '-o', two]), 1)
  // Neither sources nor drives are needed.
  for (const gone of [source, one, two]) fs.renameSync(gone, `${gone}.away`)
  const file = path.join(host.cwd, 'photos.html')
  const run = await host.run(['report', '--html', 'photos.html'])
  ended(t, run, 0)
  t.regex(run.stderr, /photos\.html: 302 entries, \d/)
  const opened = await open(t, file)
  const { page, asked, faults } = opened
  const text = await page.locator('body').innerText()
  t.regex(text, /^The backup set photos/m)
  t.notRegex(text, /This drive|Check this drive/)
  t.regex(text, /2 drives, 3(\.00)? MB\./)
  const rows = await page.locator('#runs tbody tr').allInnerTexts()
  t.is(rows.length, 3)
  t.regex(rows[0] ?? '', /^1\t\d{4}-.*exit 0$/)
  t.deepEqual(
    rows
      .slice(1)
      .map((row) => [/Drive \d/.exec(row)?.[0], /\d+$/.exec(row)?.[0]])
      .sort(),
    [
      ['Drive 1', '0'],
      ['Drive 2', '1'],
    ],
  )
  t.is((await search(opened, 'long enough')).length, 100)
  const [found = ''] = await search(opened, '<b>one')
  t.regex(found, /^a\/<b>one<\/b>\n+Drive [12] “photos-[12]”/)
  t.deepEqual(faults, [])
  t.deepEqual(asked, [`file://${file}`])
  t.deepEqual(
    fs.readdirSync(host.cwd).filter((name) => name.startsWith('.photos')),
    [],
  )
})

test('a page of ours is replaced, any other file only with --force', async (t) => {
  const host = makeHost()
  ended(t, await host.run([makeSource({ a: 'x' }), '-o', tempDir('out')]), 0)
  const file = path.join(host.cwd, 'page.html')
  ended(t, await host.run(['report', '--html', file]), 0)
  const again = await host.run(['report', '--html', file, '--json'])
  ended(t, again, 0)
  t.like(JSON.parse(again.stdout), { type: 'report', path: file, entries: 1 })
  fs.writeFileSync(file, 'mine')
  const refused = await host.run(['report', '--html', file])
  ended(t, refused, 2)
  t.regex(refused.stderr, /page\.html is there, and is no page of ours/)
  t.is(fs.readFileSync(file, 'utf8'), 'mine')
  ended(t, await host.run(['report', '--html', file, '--force']), 0)
  t.true(fs.readFileSync(file, 'utf8').startsWith('<!doctype html>'))
  ended(t, await host.run(['report']), 2)
  ended(t, await host.run(['report', '--html', path.join(host.cwd, 'no/such/page.html')]), 5)
})
