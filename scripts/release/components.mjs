// What is inside the packages that are published, and under which licences: the crates that are linked into
// the addon on any of our platforms, what those bring in C, and the npm packages that are installed along.
//
// Read from the two lock files, the crates as cargo unpacked them, and node_modules; so both must be there
// (`npm ci`, and `cargo fetch` or a build). Nothing is asked of a registry. The order is always the same.

import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { root, toolEnv } from '../setup.mjs'

/**
 * @typedef {object} Component
 * @property {'cargo' | 'npm' | 'generic'} kind Where it comes from.
 * @property {string} name
 * @property {string} version
 * @property {string} licence An SPDX expression.
 * @property {string} purl Its package URL.
 * @property {string} dir Where it lies on this machine; empty for `generic`.
 * @property {{ alg: string, content: string } | undefined} hash Of its archive, as the lock file has it.
 */

/** The package.json of the project. */
export const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))

/** All of it, crates first, each kind by name. @returns {Component[]} */
export function components() {
  return [...crates(), ...bundledC(), ...npmPackages()]
}

function crates() {
  const checksums = lockedChecksums()
  const found = new Map()
  for (const triple of manifest.napi.targets) {
    for (const crate of linked(triple)) found.set(crate.id, crate)
  }
  return [...found.values()]
    .filter((crate) => crate.source !== null)
    .map((crate) => {
      const { name, version } = crate
      const content = checksums.get(`${name} ${version}`)
      return {
        kind: 'cargo',
        name,
        version,
        // The slash is how crates wrote OR before SPDX.
        licence: crate.license.replaceAll('/', ' OR '),
        purl: `pkg:cargo/${name}@${version}`,
        dir: path.dirname(crate.manifest_path),
        hash: content === undefined ? undefined : { alg: 'SHA-256', content },
      }
    })
    .sort(byName)
}

/** The crates that the addon is made of on one platform: no build scripts' own, no tests'. */
function linked(triple) {
  const args = ['metadata', '--format-version=1', '--locked', '--filter-platform', triple]
  const options = { cwd: root, env: toolEnv(), encoding: 'utf8', maxBuffer: 1 << 28 }
  const { packages, resolve } = JSON.parse(execFileSync('cargo', args, options))
  const byId = new Map(packages.map((item) => [item.id, item]))
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]))
  const seen = new Set()
  const visit = (id) => {
    if (seen.has(id)) return
    seen.add(id)
    for (const { pkg, dep_kinds } of nodes.get(id).deps) {
      if (dep_kinds.some(({ kind }) => kind === null)) visit(pkg)
    }
  }
  visit(packages.find(({ name }) => name === 'multivolumecopy-node').id)
  return [...seen].map((id) => byId.get(id))
}

function lockedChecksums() {
  const text = fs.readFileSync(path.join(root, 'Cargo.lock'), 'utf8')
  const entry = /name = "(.+)"\nversion = "(.+)"\nsource = .*\nchecksum = "(.+)"/g
  return new Map(
    [...text.matchAll(entry)].map(([, name, version, sum]) => [`${name} ${version}`, sum]),
  )
}

/** What crates carry along that is not theirs, and the library that rustc links. */
function bundledC() {
  const { dir } = crates().find(({ name }) => name === 'libsqlite3-sys')
  const header = fs.readFileSync(path.join(dir, 'sqlite3/sqlite3.h'), 'utf8')
  const [, sqlite] = /#define SQLITE_VERSION\s+"(.+)"/.exec(header)
  const generic = { kind: 'generic', dir: '', hash: undefined }
  return [
    {
      ...generic,
      name: 'rust-std',
      version: '',
      licence: 'MIT OR Apache-2.0',
      purl: 'pkg:generic/rust-std',
    },
    {
      ...generic,
      name: 'sqlite',
      version: sqlite,
      licence: 'blessing',
      purl: `pkg:generic/sqlite@${sqlite}`,
    },
  ]
}

function npmPackages() {
  const { packages } = JSON.parse(fs.readFileSync(path.join(root, 'package-lock.json'), 'utf8'))
  const found = new Map()
  // As Node looks for a package: beside the one that asks, then further up.
  const locate = (from, name) => {
    for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
      const place = `${at}${at === '' ? '' : '/'}node_modules/${name}`
      if (packages[place]) return place
      if (at === '') return undefined
    }
  }
  const visit = (from, { dependencies = {} }) => {
    for (const name of Object.keys(dependencies)) {
      const place = locate(from, name)
      if (place === undefined || found.has(place)) continue
      found.set(place, name)
      visit(place, packages[place])
    }
  }
  visit('', packages[''])
  return [...found]
    .map(([place, name]) => {
      const { version, integrity } = packages[place]
      const dir = path.join(root, place)
      const { license } = JSON.parse(fs.readFileSync(path.join(dir, 'package.json'), 'utf8'))
      const content = Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex')
      const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
      const hash = { alg: 'SHA-512', content }
      return { kind: 'npm', name, version, licence: license, purl, dir, hash }
    })
    .sort(byName)
}

function byName(a, b) {
  const [x, y] = [`${a.name} ${a.version}`, `${b.name} ${b.version}`]
  return x < y ? -1 : x > y ? 1 : 0
}
