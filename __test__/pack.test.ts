/**
 * The package as a user gets it: packed, installed into an empty folder, and run by its bin.
 *
 * Proves that the tarball holds everything that the program needs (the compiled TypeScript, the
 * addon beside its loader, the runtime dependencies in package.json) and nothing of the workshop.
 * Needs the npm registry, or a cache that holds the runtime dependencies.
 */

import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { assertUnionEquals } from './helpers/compare.js'
import { tempDir } from './helpers/temp.js'
import { makeTree } from './helpers/tree.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)

test('the packed package installs into an empty folder, and runs', async (t) => {
  t.timeout(300_000)
  const [out, place] = [tempDir('pack'), tempDir('install')]
  // The build was done before the tests; `prepare` would do it again in the middle of them.
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', out]
  const { stdout } = await run('npm', pack, { cwd: root })
  const [{ filename, files }] = JSON.parse(stdout) as [Packed]
  const names = files.map((file) => file.path)
  t.true(names.includes('dist/main.js'))
  t.true(names.includes('docs/mvcopy_find.py'))
  t.true(names.includes('man/multivolumecopy.1'))
  t.true(names.includes('native/index.js'))
  t.true(names.some((name) => /^native\/.*\.node$/.test(name)))
  t.true(names.includes('THIRD-PARTY-NOTICES'))
  t.true(names.includes('LICENSE'))
  const workshop =
    /^(src|crates|target|scripts|bench|__test__|\.ci|\.github|release)\/|\.build\.json$/
  t.deepEqual(
    names.filter((name) => workshop.test(name)),
    [],
  )

  fs.writeFileSync(path.join(place, 'package.json'), '{ "private": true }\n')
  const tarball = path.join(out, filename)
  const install = ['install', '--no-audit', '--no-fund', '--prefer-offline', '--omit=dev', tarball]
  await run('npm', install, { cwd: place })
  const bin = path.join(place, 'node_modules', '.bin', 'multivolumecopy')
  const env = { PATH: process.env.PATH, HOME: place, XDG_STATE_HOME: path.join(place, 'state') }
  const options = { cwd: place, env: env as NodeJS.ProcessEnv }

  const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
  t.true((await run(bin, ['--version'], options)).stdout.includes(version))
  t.regex((await run(bin, ['--help'], options)).stdout, /multivolumecopy .*-o/)

  await libraryWorks(t, place, env)

  const [source, output] = [tempDir('source'), tempDir('output')]
  makeTree(t, source, { entries: 40 })
  await run(bin, [source, '-o', output, '-q'], options)
  assertUnionEquals(t, source, [output])
})

/** The examples of docs/library.md run as they stand there, with other paths, one after another. */
async function libraryWorks(
  t: ExecutionContext,
  place: string,
  env: Record<string, string | undefined>,
): Promise<void> {
  const top = tempDir('examples')
  for (const name of ['srv/photos/2019', 'mnt/usb1', 'mnt/usb2', 'srv/back']) {
    fs.mkdirSync(path.join(top, name), { recursive: true })
  }
  fs.writeFileSync(path.join(top, 'srv/photos/2019/one.jpg'), 'content')
  const text = fs.readFileSync(path.join(root, 'docs/library.md'), 'utf8')
  const examples = [...text.matchAll(/```js example\n(.*?)```/gs)].map(([, code = '']) => code)
  t.is(examples.length, 5)
  for (const [n, code] of examples.entries()) {
    const file = path.join(place, `example-${n}.mjs`)
    fs.writeFileSync(file, code.replaceAll(/'\/(srv|mnt)\//g, `'${top}/$1/`))
    const run = await promisify(execFile)(process.execPath, [file], {
      cwd: place,
      env: env as NodeJS.ProcessEnv,
    })
    // The folders of this test are no drives, which is said where an example passes on what is said.
    const faults = run.stderr
      .split('\n')
      .filter((line) => !/^$|plain folder|file system as/.test(line))
    t.deepEqual(faults, [], code)
    if (n !== 0) t.true(run.stdout.length > 0, code)
  }
  t.is(fs.readFileSync(path.join(top, 'mnt/usb1/2019/one.jpg'), 'utf8'), 'content')
  t.is(fs.readFileSync(path.join(top, 'srv/back/2019/one.jpg'), 'utf8'), 'content')
}

interface Packed {
  filename: string
  files: { path: string }[]
}
