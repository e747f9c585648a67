/** What a release is made of: the packages, their contents, their order, the notices and the SBOM. */

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { PUBLISHED, platformName, thisHost } from '../../src/native/platform.js'
import { tempDir } from '../helpers/temp.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = (...args: string[]) => promisify(execFile)(process.execPath, args, { cwd: root })
const readJson = (file: string) => JSON.parse(fs.readFileSync(file, 'utf8'))
const here = platformName(thisHost())
const addon = `multivolumecopy.${here}.node`

test('THIRD-PARTY-NOTICES is current', async (t) => {
  await t.notThrowsAsync(run('scripts/release/notices.mjs', '--check'))
})

test('package.json in git names no package that may not be published yet', (t) => {
  t.is(readJson(path.join(root, 'package.json')).optionalDependencies, undefined)
})

test('the notes of a release are its part of the changelog', async (t) => {
  const file = path.join(tempDir('notes'), 'CHANGELOG.md')
  const notes = async (version: string) =>
    (await run('scripts/release/changelog.mjs', version, file)).stdout
  const text =
    '# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-01-01\n\n### Added\n\n- a\n\n## [1.1.0]\n\n- b\n'
  fs.writeFileSync(file, text)
  t.is(await notes('1.2.0'), '### Added\n\n- a\n')
  t.is(await notes('1.1.0'), '- b\n')
  for (const none of ['Unreleased', '1.2']) await t.throwsAsync(notes(none), { message: /nothing/ })
})

// These write release/, so one after the other.
test.serial('an addon that is not what its name says is not packed', async (t) => {
  const dir = tempDir('artifacts')
  const other = PUBLISHED.find((name) => name !== here) ?? ''
  fs.copyFileSync(path.join(root, 'native', addon), path.join(dir, `multivolumecopy.${other}.node`))
  const pack = ['scripts/release/pack.mjs', '--artifacts', dir, '--partial']
  await t.throwsAsync(run(...pack), { message: /is made for/ })
  fs.rmSync(path.join(dir, `multivolumecopy.${other}.node`))
  await t.throwsAsync(run(...pack), { message: /there is no addon in/ })
  await t.throwsAsync(run(...pack.slice(0, -1)), { message: /is missing/ })
  await t.throwsAsync(run(...pack, '--version', 'v99.0.0'), { message: /the tag is v99\.0\.0/ })
})

test.serial('a package for each platform has the addon, the one for all has none', async (t) => {
  const dir = tempDir('artifacts')
  fs.copyFileSync(path.join(root, 'native', addon), path.join(dir, addon))
  await run('scripts/release/pack.mjs', '--artifacts', dir, '--partial')
  const release = path.join(root, 'release')
  const { version } = readJson(path.join(root, 'package.json'))
  const packages = readJson(path.join(release, 'packages.json')) as Packed[]
  t.deepEqual(
    packages.map(({ name }) => name),
    [`multivolumecopy-${here}`, 'multivolumecopy'],
  )
  const contents = await Promise.all(
    packages.map(({ filename }) => list(path.join(release, filename))),
  )
  const legal = ['LICENSE', 'README.md', 'THIRD-PARTY-NOTICES', 'package.json']
  t.deepEqual(contents[0], [...legal, addon].sort())
  const main = contents[1] ?? []
  for (const file of [...legal, 'dist/main.js', 'native/index.js', 'man/multivolumecopy.1']) {
    t.true(main.includes(file), file)
  }
  t.deepEqual(
    main.filter((file) => /\.node$|^(src|crates|scripts|__test__|\.)/.test(file)),
    [],
  )
  const manifest = readJson(path.join(release, 'main/package.json'))
  t.deepEqual(manifest.optionalDependencies, { [`multivolumecopy-${here}`]: version })
  t.is(manifest.scripts, undefined)
  t.is(manifest.devDependencies, undefined)
  // They are bundled.
  t.is(manifest.dependencies, undefined)
  for (const line of fs.readFileSync(path.join(release, 'SHA256SUMS'), 'utf8').trim().split('\n')) {
    const [sum = '', file = ''] = line.split('  ')
    const bytes = fs.readFileSync(path.join(release, file))
    t.is(createHash('sha256').update(bytes).digest('hex'), sum)
  }
  const sbom = readJson(path.join(release, 'sbom.cdx.json'))
  const names = (sbom.components as { name: string }[]).map(({ name }) => name)
  for (const name of ['rusqlite', 'sqlite', 'napi', 'clipanion']) t.true(names.includes(name), name)
  fs.rmSync(release, { recursive: true })
})

/** The names in a tarball. */
async function list(tarball: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('tar', ['-tzf', tarball])
  return stdout
    .trim()
    .split('\n')
    .map((name) => name.replace(/^package\//, ''))
    .sort()
}

interface Packed {
  name: string
  filename: string
}
