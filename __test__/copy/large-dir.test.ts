/** Very many entries in one directory. A million by hand: docs/names.md. */

import * as fs from 'node:fs'
import { makeHost } from '../helpers/cli.js'
import { MiB, makeDrive } from '../helpers/drives.js'
import { rootTest as test } from '../helpers/root.js'
import { newPlace } from '../restore/kit.js'
import { ended, events } from './kit.js'

test('20,000 entries in one directory: nothing twice, nothing lost between them', async (t) => {
  const count = 20_000
  const source = makeDrive({ fs: 'tmpfs', size: 16 * MiB, inodes: 100_000 }).path
  const drive = makeDrive({ fs: 'tmpfs', size: 96 * MiB, inodes: 100_000 })
  const name = (n: number): string => `${source}/dir/entry ${String(n).padStart(6, '0')}`
  fs.mkdirSync(`${source}/dir`)
  for (let n = 0; n < count; n += 1) fs.writeFileSync(name(n), n % 1000 === 0 ? `content ${n}` : '')
  const host = makeHost()
  const copy = async (): Promise<{ written: number; removed: number; renamed: number }> => {
    const run = await host.run([source, '-o', drive.path, '--json', '--delete'])
    ended(t, run, 0)
    const summary = events(run, 'summary')[0]
    return {
      written: summary?.written.files,
      removed: summary?.removed,
      renamed: summary?.renamed,
    }
  }
  t.deepEqual(await copy(), { written: count, removed: 0, renamed: 0 })
  t.deepEqual(await copy(), { written: 0, removed: 0, renamed: 0 })
  // Some go, and some come between, before and behind the others; each with a size of its own.
  for (let n = 7; n < count; n += 200) fs.rmSync(name(n))
  for (let n = 0; n < count; n += 1000)
    fs.writeFileSync(`${name(n)} more`, 'x'.repeat(n / 1000 + 20))
  fs.writeFileSync(`${source}/dir/~last`, 'last')
  fs.writeFileSync(`${source}/dir/!first`, 'the first')
  t.deepEqual(await copy(), { written: 22, removed: 100, renamed: 0 })
  t.deepEqual(await copy(), { written: 0, removed: 0, renamed: 0 })
  t.deepEqual(fs.readdirSync(`${drive.path}/dir`).sort(), fs.readdirSync(`${source}/dir`).sort())
  const to = newPlace()
  const back = await makeHost().run(['restore', '-o', drive.path, '--to', to, 'dir/entry 012000'])
  ended(t, back, 0)
  t.is(fs.readFileSync(`${to}/dir/entry 012000`, 'utf8'), 'content 12000')
})
