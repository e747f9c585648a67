// Packs everything that a release consists of into release/: a package for each platform with nothing but its
// addon, the package that people install with none, checksums, and the SBOM. Nothing is published.
//
//   node scripts/release/pack.mjs [--artifacts DIR] [--partial] [--version VERSION]
//
// `--artifacts`: where the addons are (default: native). `--partial`: only the platforms whose addon is there,
// for trying out; otherwise one that is missing is an error. `--version`: what the version has to be, as the tag
// says it. The compiled TypeScript has to be there (`npm run build:ts`).
//
// package.json in git names no platform package: before they are published nobody could install it. It is
// written here, into the packed one alone.

import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../setup.mjs'
import { manifest } from './components.mjs'
import { sbom } from './sbom.mjs'

/** The largest that a platform's package may be, packed. */
const MAX_PACKED = 6_000_000

/** The newest glibc that an addon may ask for, 2.x: what Node.js 20 itself needs. */
const MAX_GLIBC = 28

/** What the package that people install has beside what npm always packs. */
const MAIN_FILES = ['dist', 'native/index.js', 'native/index.d.ts', 'docs', 'man', 'CHANGELOG.md']

const NOTICES = 'THIRD-PARTY-NOTICES'

const { values } = parseArgs({
  options: {
    artifacts: { type: 'string', default: path.join(root, 'native') },
    partial: { type: 'boolean', default: false },
    version: { type: 'string' },
  },
})

const out = path.join(root, 'release')
const { version } = manifest

checkVersions()
fs.rmSync(out, { recursive: true, force: true })
fs.mkdirSync(out)
const platforms = platformPackages()
const tarballs = [...platforms.map(({ dir }) => pack(dir)), pack(mainPackage())]
for (const { filename, size } of tarballs) {
  if (size > MAX_PACKED)
    throw new Error(`${filename} has ${size} bytes; ${MAX_PACKED} are the most`)
}
writeJson(path.join(out, 'sbom.cdx.json'), sbom())
// In the order in which they are to be published: what people install comes last.
writeJson(
  path.join(out, 'packages.json'),
  tarballs.map((tarball) => ({
    name: tarball.name,
    version,
    filename: tarball.filename,
    integrity: tarball.integrity,
  })),
)
writeChecksums([...tarballs.map(({ filename }) => filename), 'sbom.cdx.json'])
for (const { filename, size, unpackedSize } of tarballs) {
  process.stdout.write(`${filename}  ${size} bytes, ${unpackedSize} unpacked\n`)
}

function checkVersions() {
  const cargo = /^version = "(.+)"/m.exec(
    fs.readFileSync(path.join(root, 'Cargo.toml'), 'utf8'),
  )?.[1]
  if (cargo !== version) {
    throw new Error(`package.json says ${version}, Cargo.toml ${cargo}: set both alike`)
  }
  if (values.version !== undefined && values.version.replace(/^v/, '') !== version) {
    throw new Error(`the tag is ${values.version}, package.json says ${version}`)
  }
}

/** Makes a directory for each platform's package. */
function platformPackages() {
  const dirs = path.join(out, 'npm')
  const cli = path.join(root, 'node_modules/@napi-rs/cli/dist/cli.js')
  const made = spawnSync(process.execPath, [cli, 'create-npm-dirs', '--npm-dir', 'release/npm'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (made.status !== 0) throw new Error('napi create-npm-dirs failed')
  const found = []
  for (const platform of fs.readdirSync(dirs).sort()) {
    const dir = path.join(dirs, platform)
    const addon = `multivolumecopy.${platform}.node`
    const from = path.join(values.artifacts, addon)
    if (!fs.existsSync(from)) {
      if (!values.partial) throw new Error(`${from} is missing`)
      fs.rmSync(dir, { recursive: true })
      continue
    }
    checkMachine(from, platform)
    fs.copyFileSync(from, path.join(dir, addon))
    fs.chmodSync(path.join(dir, addon), 0o644)
    legal(dir)
    const file = path.join(dir, 'package.json')
    const own = JSON.parse(fs.readFileSync(file, 'utf8'))
    writeJson(file, { ...own, ...repository(), files: [addon, NOTICES] })
    found.push({ name: own.name, dir })
  }
  if (found.length === 0) throw new Error(`there is no addon in ${values.artifacts}`)
  return found
}

/** An addon under the name of another platform, or one for newer systems only, would be found out by users. */
function checkMachine(file, platform) {
  const program = fs.readFileSync(file)
  const [system, cpu, libc] = platform.split('-')
  if (system !== 'linux') return
  if (program.subarray(0, 4).toString('latin1') !== '\x7fELF')
    throw new Error(`${file} is no ELF file`)
  const machine = { 62: 'x64', 183: 'arm64' }[program.readUInt16LE(18)]
  if (machine !== cpu) throw new Error(`${file} is made for ${machine ?? 'another processor'}`)
  const versions = program.toString('latin1').matchAll(/GLIBC_2\.(\d+)\0/g)
  const newest = Math.max(0, ...[...versions].map(([, minor]) => Number(minor)))
  if (newest > 0 !== (libc === 'gnu')) {
    throw new Error(`${file} is made for ${newest > 0 ? 'glibc' : 'musl'}`)
  }
  if (newest <= MAX_GLIBC) return
  const text = `${file} needs glibc 2.${newest}; 2.${MAX_GLIBC} is the newest that may be asked for`
  if (!values.partial) throw new Error(text)
  process.stderr.write(`${text}. For trying out it will do.\n`)
}

/** Makes the directory of the package that people install. */
function mainPackage() {
  const dir = path.join(out, 'main')
  fs.mkdirSync(dir)
  for (const file of [...MAIN_FILES, 'README.md']) {
    fs.cpSync(path.join(root, file), path.join(dir, file), { recursive: true })
  }
  legal(dir)
  // What is for working on the project is of no use to who installs it; the packages are bundled in dist/.
  const { dependencies, devDependencies, scripts, ava, napi, overrides, allowScripts, ...kept } =
    manifest
  writeJson(path.join(dir, 'package.json'), {
    ...kept,
    ...repository(),
    files: [...MAIN_FILES, NOTICES],
    optionalDependencies: Object.fromEntries(platforms.map((item) => [item.name, version])),
  })
  return dir
}

/** Where the source is, which the provenance of a package is held against; known where a release is made. */
function repository() {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY } = process.env
  if (manifest.repository || !GITHUB_REPOSITORY) return {}
  return { repository: { type: 'git', url: `git+${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}.git` } }
}

function legal(dir) {
  for (const file of ['LICENSE', NOTICES])
    fs.copyFileSync(path.join(root, file), path.join(dir, file))
}

function pack(dir) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', out]
  return JSON.parse(execFileSync('npm', args, { cwd: dir, encoding: 'utf8' }))[0]
}

function writeChecksums(files) {
  const lines = files.map((file) => {
    const sum = createHash('sha256').update(fs.readFileSync(path.join(out, file)))
    return `${sum.digest('hex')}  ${file}\n`
  })
  fs.writeFileSync(path.join(out, 'SHA256SUMS'), lines.join(''))
}

function writeJson(file, value) {
  fs.writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`)
}
