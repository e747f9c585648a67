/** docs/mvcopy_find.py works on a real drive with odd names, from the files in .mvcopy alone. */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { ended, lines, makeSource } from '../copy/kit.js'
import { makeHost } from '../helpers/cli.js'
import { MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'

const script = fileURLToPath(new URL('../../docs/mvcopy_find.py', import.meta.url))

function python(...args: (string | Buffer)[]): { code: number | null; out: string; err: string } {
  // Node can pass text only, bash can write any byte.
  const quoted = args.map(
    (arg) =>
      `$'${Array.from(Buffer.from(arg), (b) => `\\x${b.toString(16).padStart(2, '0')}`).join('')}'`,
  )
  const run = spawnSync('bash', ['-c', `exec python3 ${script} ${quoted.join(' ')}`], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, LANG: 'C.UTF-8' },
  })
  return { code: run.status, out: run.stdout, err: run.stderr }
}

rootTest('the script finds files of the whole set and checks a drive', async (t) => {
  const host = makeHost()
  const source = makeSource({
    'Füße/größe 💾': 5 * MiB,
    'b\nnew\tline': 100,
    'it\'s "quoted" \\ back': 200,
    z: 6 * MiB,
  })
  const latin = Buffer.concat([Buffer.from(`${source}/caf`), Buffer.from([0xe9])])
  fs.writeFileSync(latin, 'latin')
  fs.symlinkSync('z', path.join(source, 'link'))
  fs.mkdirSync(path.join(source, 'empty'))
  const drives = [makeDrive({ size: 10 * MiB }).path, makeDrive({ size: 10 * MiB }).path] as const
  ended(t, await host.run([source, '-o', drives[0], '-o', drives[1]]), 0)
  // Each drive tells of both.
  for (const drive of drives) {
    const umlaut = python('find', drive, 'größe')
    t.is(umlaut.code, 0, umlaut.err)
    t.regex(umlaut.out, /^Füße\/größe 💾 {2}drive 1 \(src-\w+-1\) {2}5242880 bytes\n$/)
    t.regex(python('find', drive, 'z').out, /^z {2}drive 2 \(/m)
    const byte = python('find', drive, Buffer.from([0x66, 0xe9]))
    t.is(byte.code, 0, byte.err)
    t.regex(byte.out, /^caf\\udce9 {2}drive \d/)
    t.regex(python('find', drive, '\n').out, /^b\\nnew\\tline {2}drive/)
    t.is(python('find', drive, 'no such thing').code, 1)
    const good = python('check', drive)
    t.is(good.code, 0, good.out + good.err)
  }
  const entries = drives.map((drive) => /(\d+) entr/.exec(python('check', drive).err)?.[1])
  t.is(
    entries.reduce((sum, n) => sum + Number(n), 0),
    8,
    'five files, a link, two directories',
  )
  const [first] = drives
  const file = path.join(first, 'Füße/größe 💾')
  const fd = fs.openSync(file, 'r+')
  fs.writeSync(fd, 'x', 4 * MiB)
  fs.closeSync(fd)
  const bad = python('check', first)
  t.is(bad.code, 1)
  t.deepEqual(lines(bad.out), ['Füße/größe 💾: other content'])
  fs.truncateSync(file, 10)
  t.regex(python('check', first).out, /10 bytes instead of 5242880/)
  fs.rmSync(file)
  t.regex(python('check', first).out, /No such file/)
  fs.appendFileSync(path.join(first, '.mvcopy/manifest.jsonl'), 'x')
  t.is(python('check', first).code, 2)
  t.is(python('check', path.join(first, 'nowhere')).code, 2)
  t.is(python().code, 2)
})
