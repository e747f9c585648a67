/**
 * Names on foreign file systems: every name comes back, no two become one, and later runs know them again.
 *
 * `MVCOPY_NAMES=10000` tries so many random names on each file system instead of a few hundred; `MVCOPY_SEED`
 * makes the names of a printed seed again.
 */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { differences } from '../helpers/compare.js'
import { makeHost } from '../helpers/cli.js'
import { type FileSystem, MiB, makeDrive } from '../helpers/drives.js'
import { Random } from '../helpers/random.js'
import { rootTest as test } from '../helpers/root.js'
import { tempDir } from '../helpers/temp.js'
import { newPlace, rsyncDiff } from '../restore/kit.js'
import { ended, events, makeSource, put, wrongSums } from './kit.js'

const COUNT = Number(process.env.MVCOPY_NAMES ?? 250)
const SEED = Number(process.env.MVCOPY_SEED ?? 20_261_127)

/** Names of bytes, of text, of what Windows refuses, and other spellings of those that came before. */
function randomName(random: Random, before: readonly Buffer[]): Buffer {
  const bytes = (length: number): Buffer =>
    Buffer.from(random.bytes(length).filter((byte) => byte !== 0 && byte !== 0x2f))
  const odd = ['con', 'AUX.txt', 'nul', 'com1', ':', '?', '\\', '|', '"', '<', '>', '*', '.', ' ']
  const texts = [
    ...odd,
    '‛',
    '：',
    'é',
    'e\u0301',
    'ß',
    'Ω',
    '日本',
    '🎉',
    'a',
    'B',
    'x',
    '~',
    '\n',
    '\x7f',
  ]
  const text = (most: number): Buffer => {
    let all = ''
    for (let n = random.below(most) + 1; n > 0; n -= 1) all += random.pick(texts)
    return Buffer.from(all)
  }
  switch (random.below(6)) {
    case 0:
      return bytes(1 + random.below(255))
    case 1:
      return bytes(1 + random.below(4))
    case 2:
      return text(60)
    case 3:
      return text(3)
    case 4: {
      const other = before.length === 0 ? Buffer.from('Case') : random.pick(before)
      const spelt = other.toString('utf8')
      return Buffer.from(random.chance(0.5) ? spelt.toUpperCase() : spelt.toLowerCase())
    }
    default: {
      const other = before.length === 0 ? Buffer.from('é') : random.pick(before)
      return Buffer.from(other.toString('utf8').normalize(random.chance(0.5) ? 'NFC' : 'NFD'))
    }
  }
}

/** A source of so many files, each with a content of its own; directories have such names, too. */
function oddSource(random: Random, count: number): string {
  const source = tempDir('odd')
  const dirs = [Buffer.from(source)]
  const names: Buffer[] = []
  const slash = Buffer.from('/')
  for (let made = 0; made < count; ) {
    const name = randomName(random, names).subarray(0, 255)
    const dir = random.pick(dirs)
    const file = Buffer.concat([dir, slash, name])
    if (name.length === 0 || name.equals(Buffer.from('.')) || name.equals(Buffer.from('..')))
      continue
    if (dir.equals(Buffer.from(source)) && name.toString().toLowerCase() === '.mvcopy') continue
    if (fs.existsSync(file)) continue
    names.push(name)
    if (random.chance(0.04) && dirs.length < 40) {
      fs.mkdirSync(file)
      dirs.push(file)
      continue
    }
    fs.writeFileSync(file, `content ${made}`)
    fs.utimesSync(file, 1_700_000_000 + made, 1_700_000_000.123456 + made)
    made += 1
  }
  return source
}

/** What is ours at the root of a drive. */
const OURS = ['.mvcopy', 'START-HERE.html']

/** How many files stand on a drive, without ours. */
function filesOn(root: string): number {
  const run = spawnSync('find', [
    root,
    '-path',
    `${root}/.mvcopy`,
    '-prune',
    '-o',
    '!',
    '-path',
    `${root}/START-HERE.html`,
    '-type',
    'f',
    '-printf',
    '.',
  ])
  return run.stdout.length
}

for (const kind of ['tmpfs', 'ext4', 'xfs', 'btrfs', 'exfat', 'ntfs'] as FileSystem[]) {
  test(`random names come back from ${kind}, and none is taken for another`, async (t) => {
    t.log(`MVCOPY_SEED=${SEED} MVCOPY_NAMES=${COUNT}`)
    const source = oddSource(new Random(SEED), COUNT)
    const drive = makeDrive({ fs: kind, size: 64 * MiB + COUNT * 12_288 })
    const host = makeHost()
    const copied = await host.run([source, '-o', drive.path, '--json', '--keep'])
    ended(t, copied, 0)
    t.is(events(copied, 'plan')[0]?.files, COUNT)
    t.is(events(copied, 'summary')[0]?.written.files, COUNT)
    t.is(filesOn(drive.path), COUNT, 'files landed')
    t.is(wrongSums(drive), '')
    drive.fs !== 'tmpfs' && drive.unmount()
    drive.mounted || drive.remount()
    const env = { TZ: 'America/New_York' }
    const again = await host.run([source, '-o', drive.path, '--json', '--keep'], { env })
    ended(t, again, 0)
    t.is(events(again, 'summary')[0]?.written.files, 0, 'the second run copies nothing')
    const checked = await host.run(['verify', '-o', drive.path, '--json'], { env })
    ended(t, checked, 0)
    const to = newPlace()
    ended(t, await makeHost().run(['restore', '-o', drive.path, '--to', to]), 0)
    t.deepEqual(differences(source, to).slice(0, 20), [])
    t.deepEqual(rsyncDiff(source, to).slice(0, 20), [])
  })
}

test('spellings that exFAT takes for one stay apart, also from what stands there already', async (t) => {
  const drive = makeDrive({ fs: 'exfat', size: 32 * MiB })
  fs.writeFileSync(`${drive.path}/Photo.JPG`, 'somebody has this')
  const files = {
    'Case/x': '1',
    'cASE/x': '2',
    é: '3',
    'e\u0301': '4',
    'photo.jpg': '5',
    'a:b': '6',
  }
  const source = makeSource(files)
  const host = makeHost()
  ended(t, await host.run([source, '-o', drive.path, '-y']), 0)
  t.is(fs.readFileSync(`${drive.path}/Photo.JPG`, 'utf8'), 'somebody has this')
  const names = fs.readdirSync(drive.path).filter((name) => !OURS.includes(name))
  t.is(names.length, 7, names.join())
  t.true(names.includes('a‛：b') && names.includes('Case'), names.join())
  t.true(
    names.some((name) => /^cASE‛~[0-9a-f]{8}$/.test(name)),
    names.join(),
  )
  t.is(wrongSums(drive), '')
  t.regex(fs.readFileSync(`${drive.path}/.mvcopy/README.txt`, 'utf8'), /not the true ones/)
  const manifest = fs.readFileSync(`${drive.path}/.mvcopy/manifest.jsonl`, 'utf8')
  t.regex(manifest, /"path":"a:b",.*"as":"a‛：b"/)
  t.regex(fs.readFileSync(`${drive.path}/.mvcopy/catalog.jsonl`, 'utf8'), /"as":"a‛：b"/)
  const where = await host.run(['where', 'a:b'])
  t.regex(where.stdout, /a:b {2}\(there a‛：b\)/)
  const alone = await makeHost().run(['where', '-o', drive.path, 'a:b', '--json'])
  t.regex(alone.stdout, /"as":"a‛：b"/)
  // What is renamed, changed and gone is found under the name that it has there.
  fs.renameSync(`${source}/a:b`, `${source}/c?d`)
  fs.rmSync(`${source}/cASE`, { recursive: true })
  put(source, 'photo.jpg', 'another', 1_700_000_100)
  const later = await host.run([source, '-o', drive.path, '--json', '--delete'])
  ended(t, later, 0)
  t.like(events(later, 'summary')[0], { written: { files: 1, bytes: 7 }, renamed: 1 }, later.stdout)
  const after = fs.readdirSync(drive.path).filter((name) => !OURS.includes(name))
  t.is(after.length, 6, after.join())
  t.true(after.includes('c‛？d'), after.join())
  const checked = await host.run(['verify', '-o', drive.path, '--json'])
  t.is(checked.code, 1, 'the file of somebody else is told')
  const to = newPlace()
  ended(t, await makeHost().run(['restore', '-o', drive.path, '--to', to]), 0)
  t.deepEqual(differences(source, to), [])
})

for (const kind of ['exfat', 'ntfs'] as FileSystem[]) {
  test(`times before 1970, after 2038 and 2107, and another zone copy nothing anew on ${kind}`, async (t) => {
    const source = makeSource({})
    const times = [
      -1.5, -2_147_483_649, 0, 315_532_799, 1_774_745_999, 1_774_746_001, 2_147_483_648,
      4_354_819_200, 8_589_934_592,
    ]
    times.forEach((time, n) => {
      put(source, `t${n}`, `at ${time}`, time)
    })
    spawnSync('mkfifo', [`${source}/fifo`])
    const drive = makeDrive({ fs: kind, size: 32 * MiB })
    const host = makeHost()
    ended(t, await host.run([source, '-o', drive.path], { env: { TZ: 'Europe/Berlin' } }), 0)
    for (const TZ of ['America/New_York', 'Asia/Kathmandu']) {
      drive.unmount()
      process.env.TZ = TZ
      drive.remount()
      delete process.env.TZ
      const again = await host.run([source, '-o', drive.path, '--json'], { env: { TZ } })
      ended(t, again, 0)
      t.is(events(again, 'summary')[0]?.written.files, 0)
      const checked = await host.run(['verify', '-o', drive.path], { env: { TZ } })
      ended(t, checked, 0)
    }
    const to = newPlace()
    ended(t, await makeHost().run(['restore', '-o', drive.path, '--to', to]), 0)
    t.deepEqual(differences(source, to), [])
    t.true(fs.statSync(path.join(to, 'fifo')).isFIFO())
    // A removal finds its file by what was recorded.
    fs.rmSync(`${source}/t2`)
    ended(t, await host.run([source, '-o', drive.path, '--delete']), 0)
    t.false(fs.existsSync(`${drive.path}/t2`))
  })
}

test('a directory keeps its other name whatever comes first in it', async (t) => {
  const drive = makeDrive({ fs: 'exfat', size: 32 * MiB })
  const source = makeSource({ 'Season 1: x/z': 'film' })
  fs.symlinkSync('z', `${source}/Season 1: x/a link`)
  fs.mkdirSync(`${source}/only: links`)
  fs.symlinkSync('z', `${source}/only: links/one`)
  const host = makeHost()
  ended(t, await host.run([source, '-o', drive.path]), 0)
  t.true(fs.existsSync(`${drive.path}/Season 1‛： x/z`))
  ended(t, await host.run(['verify', '-o', drive.path]), 0)
  put(source, 'Season 1: x/later', 'another', 1_700_000_100)
  ended(t, await host.run([source, '-o', drive.path]), 0)
  t.true(fs.existsSync(`${drive.path}/Season 1‛： x/later`))
  ended(t, await host.run(['verify', '-o', drive.path]), 0)
  const to = newPlace()
  ended(t, await makeHost().run(['restore', '-o', drive.path, '--to', to]), 0)
  t.deepEqual(differences(source, to), [])
})
