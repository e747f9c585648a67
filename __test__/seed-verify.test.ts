/**
 * The seed's check, through the built program: `--verify -f JOB -i A -si B -o OUT`.
 *
 * Job files are as the seed wrote them. Files lie in the past with fractions of a second, so that an
 * equal time is no accident.
 */

import * as fs from 'node:fs'
import * as path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Argument, makeHost, type RunOptions, type RunResult } from './helpers/cli.js'
import { makeDrive } from './helpers/drives.js'
import { rootTest } from './helpers/root.js'
import { tempDir } from './helpers/temp.js'

const fixture = new URL('../crates/core/tests/fixtures/jobdata-0.5.0.json', import.meta.url)

type Entry = [src: string, dst: string, relpath: string, bytes: number, index: number]

/** A source and a drive that holds the same, with the seed's own job file between them. */
class Place {
  readonly top = tempDir('seed-verify')
  readonly src = path.join(this.top, 'src')
  readonly out: string
  readonly job = path.join(this.top, 'job.json')
  readonly entries: Entry[]
  readonly #host = makeHost()

  constructor(out?: string) {
    this.out = out ?? path.join(this.top, 'usb')
    const text = fs
      .readFileSync(fixture, 'utf8')
      .replaceAll('/mnt/src/', `${this.src}/`)
      .replaceAll('/mnt/usb/', `${this.out}/`)
    fs.writeFileSync(this.job, text)
    this.entries = JSON.parse(text)
    for (const [src, dst, , bytes, index] of this.entries) {
      for (const file of [src, dst]) this.write(file, Buffer.alloc(bytes, 'x'), index)
    }
  }

  /** Writes a file and gives it the time that belongs to the entry. */
  write(name: string, content: Buffer, index: number): void {
    const file = bytesOf(name)
    fs.mkdirSync(file.subarray(0, file.lastIndexOf(0x2f)), { recursive: true })
    fs.writeFileSync(file, content)
    const time = 1_400_000_001.25 + index
    fs.utimesSync(file, time, time)
  }

  /** An entry that has a content to lose. */
  get victim(): Entry {
    return this.entries.find(([, , , bytes]) => bytes > 4) as Entry
  }

  verify(args: readonly Argument[] = [], options: RunOptions = {}): Promise<RunResult> {
    return this.#host.run(['--verify', '-f', this.job, '-o', this.out, ...args], options)
  }
}

/** The bytes of a name of a job file: lone surrogates are bytes that are no UTF-8 (PEP 383). */
function bytesOf(name: string): Buffer {
  return Buffer.concat(
    [...name].map((char) => {
      const code = char.codePointAt(0) as number
      return code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code & 0xff]) : Buffer.from(char)
    }),
  )
}

function objects(run: RunResult): Record<string, unknown>[] {
  return run.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** The findings as `[result, index]`, from a run with `--json`. */
function found(run: RunResult): unknown[] {
  return objects(run)
    .filter(({ type }) => type === 'verify-result')
    .map(({ result, index }) => [result, index])
}

function passes(t: ExecutionContext, run: RunResult): void {
  t.is(run.code, 0, run.stderr)
  t.regex(run.stderr, /ok +all expected files backed up/)
  t.regex(run.stderr, /ok +expected size roughly \(within 3 %\) matches backup size/)
  t.notRegex(run.stderr, /DIFFERENT|MISSING|FAILED/)
}

test('a drive that holds the same passes, with content and without', async (t) => {
  const place = new Place()
  const total = place.entries.reduce((sum, [, , , bytes]) => sum + bytes, 0)
  for (const args of [[], ['-c']]) {
    const run = await place.verify(args)
    passes(t, run)
    t.is(run.stdout, '')
    const bytes = `\\(${total.toLocaleString('en')} bytes\\)`
    t.regex(run.stderr, new RegExp(`backup size: .*${bytes}`))
    t.regex(run.stderr, new RegExp(`expected size: .*${bytes}`))
    t.regex(run.stderr, /volume size: .*\([\d,]+ bytes\)/)
  }
})

test('a truncated file of the same time is different', async (t) => {
  const place = new Place()
  const [src, dst, , bytes, index] = place.victim
  place.write(dst, Buffer.alloc(1, 'x'), index)
  const run = await place.verify()
  t.is(run.code, 1)
  t.regex(run.stderr, /FAILED all expected files backed up/)
  t.true(
    run.stderr.includes(
      `DIFFERENT [${index}] ${shown(src)} -> ${shown(dst)}: size: 1 bytes on the drive, ${bytes} in the source`,
    ),
    run.stderr,
  )
})

test('another time is different', async (t) => {
  const place = new Place()
  const [, dst, , , index] = place.victim
  place.write(dst, Buffer.from(fs.readFileSync(bytesOf(dst))), index + 60)
  const run = await place.verify(['--json'])
  t.is(run.code, 1)
  t.deepEqual(found(run), [['different', index]])
})

test('other content of the same size and time is found with -c only', async (t) => {
  const place = new Place()
  const [, dst, , bytes, index] = place.victim
  place.write(dst, Buffer.alloc(bytes, 'y'), index)
  t.is((await place.verify()).code, 0)
  const run = await place.verify(['-c', '--json'])
  t.is(run.code, 1)
  t.deepEqual(found(run), [['different', index]])
})

test('a missing file is named; with -q too; --json has an object for it and a summary', async (t) => {
  const place = new Place()
  const [src, dst, , bytes, index] = place.victim
  fs.rmSync(bytesOf(dst))
  for (const args of [[], ['-q']]) {
    const run = await place.verify(args)
    t.is(run.code, 1)
    t.true(run.stderr.includes(`MISSING [${index}] ${shown(src)} -> ${shown(dst)}`), run.stderr)
  }
  const [result, summary, ...others] = objects(await place.verify(['--json', '--hide-progress']))
  t.deepEqual(others, [])
  t.like(result, { result: 'missing', index, source: src, destination: dst })
  t.like(summary, { type: 'summary', exit: 1, failed: 1 })
  const { expectedBytes, backupBytes } = (summary as { verify: Record<string, number> }).verify
  t.is((expectedBytes ?? 0) - (backupBytes ?? 0), bytes)
})

test('an entry whose source is gone is passed over', async (t) => {
  const place = new Place()
  const [src, dst] = place.victim
  fs.rmSync(bytesOf(src))
  fs.rmSync(bytesOf(dst))
  const run = await place.verify()
  passes(t, run)
  t.regex(run.stderr, /1 passed over/)
})

test('a source that is not there at all is no pass', async (t) => {
  const place = new Place()
  fs.rmSync(place.src, { recursive: true })
  const run = await place.verify()
  t.is(run.code, 25)
  t.regex(run.stderr, /nothing was compared: the source is empty or not there/)
})

test('-i is the first index that is looked at, -si the one after the last', async (t) => {
  const place = new Place()
  for (const [, dst] of place.entries) fs.rmSync(bytesOf(dst))
  const indexes = async (...args: string[]) =>
    found(await place.verify([...args, '--json'])).map((pair) => (pair as [string, number])[1])
  const all = place.entries.map(([, , , , index]) => index)
  t.deepEqual(await indexes(), all)
  t.deepEqual(await indexes('-i', '2', '-si', '5'), [2, 3, 4])
  t.deepEqual(await indexes('-si', '1'), [0])
  t.deepEqual(await indexes('-i', String(all.length - 1)), [all.length - 1])
  t.deepEqual(await indexes('-i', '2', '-si', '99999'), all.slice(2))
  const nothing = await place.verify(['-i', '3', '-si', '3'])
  t.is(nothing.code, 0)
  const beyond = await place.verify(['-i', String(all.length)])
  t.is(beyond.code, 2)
  t.regex(beyond.stderr, new RegExp(`the job file ends with index ${all.length - 1}`))
})

test('a bad or hostile job file is refused by line, and no file of it is looked at', async (t) => {
  const place = new Place()
  fs.writeFileSync(path.join(place.top, 'outside-7f3a'), 'secret')
  const entry = (relpath: string, index: number, dst = place.out) =>
    JSON.stringify([`${place.src}/${relpath}`, `${dst}/${relpath}`, relpath, 6, index])
  const good = entry('a-file-7f3a', 0)
  place.write(`${place.src}/a-file-7f3a`, Buffer.from('secret'), 0)
  place.write(`${place.out}/a-file-7f3a`, Buffer.from('secret'), 0)
  const trace = path.join(place.top, 'trace')
  const looked = async (text: string) => {
    fs.writeFileSync(place.job, text)
    const calls = 'trace=open,openat,openat2,stat,lstat,newfstatat,statx,access,faccessat2'
    const under = ['strace', '-f', '-qq', '-o', trace, '-e', calls]
    const run = await place.verify(['-c'], { under })
    return { run, touched: fs.readFileSync(trace, 'latin1').includes('7f3a') }
  }
  // The same eyes do see what a good job file leads to.
  const fine = await looked(`[\n${good}\n]\n`)
  t.is(fine.run.code, 0, fine.run.stderr)
  t.true(fine.touched)
  const cases: [string, number, RegExp][] = [
    [`[\n${good},\n${entry('../outside-7f3a', 1)}\n]`, 3, /'\.\.'/],
    [`[\n${good},\n${entry('outside-7f3a', 1, place.top)}\n]`, 3, /another output/],
    [`[\n${good},\n${entry('a-file-7f3a', 7)}\n]`, 3, /index 7/],
    [`[\n${good},\n${entry('a-file-7f3a', 1).replace(',6,', ',-6,')}\n]`, 3, /integer `-6`/],
    [`[\n${good},\n["${'x'.repeat(1_100_000)}"`, 3, /more than 1 MiB/],
    [`[\n${good}`, 2, /cut off/],
    ['not JSON', 1, /a job file is a JSON array/],
  ]
  for (const [text, line, why] of cases) {
    const { run, touched } = await looked(text)
    t.is(run.code, 2, run.stderr)
    t.regex(run.stderr, new RegExp(`${place.job}: line ${line}: `))
    t.regex(run.stderr, why)
    t.false(touched, `${why}`)
  }
})

test('a link on the drive never leads out of it', async (t) => {
  const place = new Place()
  const [src, dst, , , index] = place.victim
  fs.rmSync(bytesOf(dst))
  fs.symlinkSync(bytesOf(src), bytesOf(dst))
  const run = await place.verify(['-c', '--json'])
  t.deepEqual([run.code, found(run)], [1, [['different', index]]])
})

test('no job file, no drive: wrong usage, in words', async (t) => {
  const place = new Place()
  const missing = await place.verify(['-f', path.join(place.top, 'no.json')])
  t.is(missing.code, 2)
  t.regex(missing.stderr, /opening the job file .*no\.json: No such file/)
  const host = makeHost()
  const verify = (out: string) => host.run(['--verify', '-f', place.job, '-o', out])
  const nowhere = await verify(path.join(place.top, 'nowhere'))
  t.is(nowhere.code, 2)
  t.regex(nowhere.stderr, /nowhere: there is no such directory/)
  const file = await verify(place.job)
  t.is(file.code, 2)
  t.regex(file.stderr, /this is no directory/)
})

test('the default job file and a relative output are those of the working directory', async (t) => {
  const place = new Place()
  fs.copyFileSync(place.job, path.join(place.top, '.mvcopy-jobdata.json'))
  passes(t, await makeHost().run(['--verify', '-o', 'usb'], { cwd: place.top }))
})

test('names are printed so that they cannot forge a line', async (t) => {
  const place = new Place()
  for (const [, dst] of place.entries) fs.rmSync(bytesOf(dst))
  const run = await place.verify()
  t.is(run.stderr.match(/MISSING \[/g)?.length, place.entries.length)
  t.true(run.stderr.split('\n').every((line) => !line.includes('\u001b')))
  t.regex(run.stderr, /caf\\xe9\.txt/)
})

rootTest('exFAT keeps even seconds: times within two count as equal', async (t) => {
  const drive = makeDrive({ fs: 'exfat' })
  const place = new Place()
  // Only names that every file system takes; the directories on the drive are made here.
  const names = ['one', 'two', 'three']
  const entries = names.map((name, index) => [
    `${place.src}/plain/${name}`,
    `${drive.path}/plain/${name}`,
    `plain/${name}`,
    9,
    index,
  ])
  for (const [src, dst, , , index] of entries as Entry[]) {
    for (const file of [src, dst]) place.write(file, Buffer.alloc(9, 'x'), index)
  }
  fs.writeFileSync(place.job, JSON.stringify(entries))
  const host = makeHost()
  const verify = (...args: string[]) =>
    host.run(['--verify', '-f', place.job, '-o', drive.path, ...args])
  passes(t, await verify())
  const content = await verify('-c')
  passes(t, content)
  t.regex(content.stderr, /may have come from memory/)
  place.write(`${drive.path}/plain/two`, Buffer.alloc(9, 'x'), 61)
  const off = await verify('--json')
  t.deepEqual([off.code, found(off)], [1, [['different', 1]]])
  drive.dispose()
})

/** The name as the program prints it. */
function shown(name: string): string {
  return name
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replace(/[\udc80-\udcff]/gu, (char) => `\\x${(char.charCodeAt(0) & 0xff).toString(16)}`)
}
