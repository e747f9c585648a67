/** What progress promises: honest about time, never backwards, readable anywhere, the same to all who get it. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import test from 'ava'
import { createReporter } from '../../src/report/create.js'
import { RateMeter } from '../../src/report/rate.js'
import { liveLines, progressLine } from '../../src/report/render.js'
import type { Progress } from '../../src/report/reporter.js'
import { Steady } from '../../src/report/steady.js'
import type { TalkOptions } from '../../src/report/talk.js'
import { eventFault } from '../helpers/events.js'
import { Random } from '../helpers/random.js'
import { tempDir } from '../helpers/temp.js'
import { FakeClock, FakeStream } from './fake.js'
import { Screen } from './screen.js'

const talk: TalkOptions = { verbosity: 'normal', hideProgress: false, json: false, color: 'never' }
const TOTAL = 10e9

function snapshot(bytes: number, more: Partial<Progress> = {}): Progress {
  const files = Math.floor(bytes / 1e7)
  return { files: { done: files, total: 1000 }, bytes: { done: bytes, total: TOTAL }, ...more }
}

/** A device: how many bytes it has taken after `s` seconds, and whether it flushes then. */
interface Device {
  readonly name: string
  readonly seconds: number
  readonly at: (s: number) => { readonly bytes: number; readonly flushing: boolean }
}

const devices: readonly Device[] = [
  {
    name: 'a steady one',
    seconds: 1000,
    at: (s) => ({ bytes: (TOTAL * s) / 1000, flushing: false }),
  },
  // It takes 5 seconds' worth at once, and then nothing moves until all of that is on the medium.
  ...[10, 30, 60].map((round) => ({
    name: `a stick that flushes ${round - 5} of ${round} seconds`,
    seconds: 1200,
    at: (s: number) => {
      const within = s % round
      const rounds = Math.floor(s / round) + Math.min(1, within / 5)
      return { bytes: Math.min(TOTAL, (TOTAL * rounds * round) / 1200), flushing: within >= 5 }
    },
  })),
]

for (const { name, seconds, at } of devices) {
  test(`time left, on ${name}: wrong by at most 10 % from 20 % of the bytes on`, (t) => {
    const meter = new RateMeter()
    let worst = 0
    let looked = 0
    for (let s = 0; s < seconds * 0.9; s += 0.25) {
      const { bytes, flushing } = at(s)
      const progress = snapshot(bytes, { flushing })
      meter.add(s * 1000, progress)
      if (bytes < TOTAL * 0.2 || bytes >= TOTAL) continue
      const left = meter.secondsLeft(progress) ?? Number.POSITIVE_INFINITY
      const over = Math.abs(left - (seconds - s)) / (seconds - s)
      worst = Math.max(worst, over)
      looked += 1
    }
    t.true(looked > 500)
    t.true(worst <= 0.1, `wrong by ${(worst * 100).toFixed(1)} %`)
  })
}

test('the rate includes the flushes, and a flush that drags on makes it slower at once', (t) => {
  const meter = new RateMeter()
  const at = (devices[1] as Device).at
  for (let s = 0; s < 100; s += 0.1) {
    const { bytes, flushing } = at(s)
    meter.add(s * 1000, snapshot(bytes, { flushing }))
  }
  const rate = meter.bytesPerSecond() ?? 0
  t.true(Math.abs(rate - TOTAL / 1200) < rate * 0.02, String(rate))
  const { bytes } = at(99.9)
  for (let s = 100; s < 160; s += 0.1) meter.add(s * 1000, snapshot(bytes, { flushing: true }))
  t.true((meter.bytesPerSecond() ?? rate) < rate / 2)
})

test('after a drive change the time left goes by what was before, until more is known', (t) => {
  const meter = new RateMeter()
  for (let s = 0; s <= 60; s += 1) meter.add(s * 1000, snapshot(s * 1e7))
  const before = meter.secondsLeft(snapshot(60e7))
  meter.reset()
  t.is(meter.bytesPerSecond(), undefined)
  meter.add(100_000, snapshot(60e7))
  t.true(Math.abs((meter.secondsLeft(snapshot(60e7)) ?? 0) - (before ?? -99)) < 1)
})

test('the percentage never falls, whatever the counters do', (t) => {
  const steady = new Steady()
  const shares: number[] = []
  const drive: number[] = []
  // Copied again after a lost flush, planned anew with more and with less, a source that grew.
  const steps: [number, number][] = [
    [10, 100],
    [30, 100],
    [20, 100],
    [25, 120],
    [40, 120],
    [40, 90],
    [95, 90],
    [60, 90],
    [90, 90],
  ]
  for (const [done, total] of steps) {
    const counts = { files: { done, total }, bytes: { done, total } }
    const shown = steady.show('copy', { ...counts, volume: { number: 1, index: 1, ...counts } })
    const share = ({ done: n, total: of = 0 }: { done: number; total?: number | undefined }) =>
      n / of
    shares.push(share(shown.bytes), share(shown.files))
    drive.push(share(shown.volume?.bytes ?? { done: 0 }))
    t.true(shown.bytes.done <= (shown.bytes.total ?? 0))
  }
  const evens = shares.filter((_, i) => i % 2 === 0)
  for (const list of [evens, drive]) {
    t.deepEqual(
      list,
      [...list].sort((a, b) => a - b),
    )
    t.is(list.at(-1), 1)
  }
  // Another drive begins at nothing, all drives together do not.
  const next = snapshot(5, { volume: { number: 2, index: 2, ...snapshot(1) } })
  t.is(steady.show('copy', next).volume?.bytes.done, 1)
  t.is(steady.show('copy', next).bytes.done, 90)
})

const onDrive: Progress = snapshot(4.2e9, {
  volume: {
    number: 7,
    label: 'blue',
    index: 2,
    of: 5,
    estimated: true,
    files: { done: 120, total: 400 },
    bytes: { done: 1.2e9, total: 4e9 },
  },
  current: 'films/Über/1.mkv',
  currentBytes: { done: 3e8, total: 4e8 },
  flushing: true,
  errors: 2,
})
const speed = { bytesPerSecond: 3.5e7, secondsLeft: 166, driveSecondsLeft: 80 }

test('the display: the set, the drive, the file in hand; blocks, ASCII, narrow', (t) => {
  const draw = (width: number, blocks: boolean) =>
    liveLines('copy', onDrive, speed, { width, blocks, ascii: !blocks }, (name) => name)
  t.deepEqual(draw(79, true), [
    '██████░░░░░░░░░░ flushing · 42% · 4.2 GB of 10 GB · 2 min 46 s left · 2 errors',
    '████░░░░░░░░░░░░ drive 7 (blue), 2 of about 5 · 30% · 1 min 20 s left',
    '75% of 400 MB: films/Über/1.mkv',
  ])
  t.deepEqual(draw(79, false), [
    '[######..........] flushing - 42% - 2 min 46 s left - 2 errors',
    '[####............] drive 7 (blue), 2 of about 5 - 30% - 1 min 20 s left',
    '75% of 400 MB: films/?ber/1.mkv',
  ])
  t.deepEqual(draw(39, true), [
    'flushing · 42% · 2 min 46 s left',
    'drive 7 (blue), 2 of about 5 · 30%',
    '75% of 400 MB: films/Über/1.mkv',
  ])
})

test('a scan tells entries and how many a second', (t) => {
  const clock = new FakeClock()
  const stderr = new FakeStream()
  const context = { stdout: new FakeStream(), stderr, stderrIsTTY: false, env: {} }
  const report = createReporter(context, talk, clock)
  report.phaseStart('scan')
  for (let s = 0; s <= 10; s += 1) {
    report.progress({ files: { done: s * 5000 }, bytes: { done: 0 } })
    clock.pass(1000)
  }
  report.line()
  report.end()
  t.regex(
    stderr.text,
    /^scanning · 50,000 entries · 5,\d{3}\/s\nscanning · 50,000 entries · [\d,]+\/s\n$/,
  )
})

test('a terminal that changes its width again and again: nothing old is left, nothing above is taken', (t) => {
  const random = new Random(7)
  for (let round = 0; round < 20; round += 1) {
    const clock = new FakeClock()
    const stderr = new FakeStream()
    const screen = new Screen()
    const env = { LANG: 'C.UTF-8' }
    const context = { stdout: new FakeStream(), stderr, stderrIsTTY: true, env }
    const report = createReporter(context, talk, clock)
    report.note('said before')
    report.phaseStart('copy')
    for (let frame = 0; frame < 30; frame += 1) {
      report.progress(onDrive)
      clock.pass(frame === 0 ? 300 : 100)
      screen.write(stderr.take())
      // It may change more than once between two frames, and what the program asks for may be old by then.
      for (let n = random.below(3); n > 0; n -= 1) screen.width = 20 + random.below(80)
      if (random.below(4) > 0) stderr.columns = screen.width
    }
    stderr.columns = screen.width
    report.progress(onDrive)
    clock.pass(100)
    screen.write(stderr.take())
    const [first, whole, drive, file, ...rest] = screen.text.split('\n')
    t.is(first, 'said before')
    t.regex(whole ?? '', /flushing · 42%|^.{0,20}…$/)
    t.regex(drive ?? '', /drive 7|^.{0,20}…$/)
    t.regex(file ?? '', /1\.mkv$/)
    t.deepEqual(rest, [])
    report.note('told')
    report.end()
    screen.write(stderr.take())
    t.is(screen.text, 'said before\ntold')
  }
})

test('--log-file gets sentences with their time, also with -q; progress once a minute', (t) => {
  const logFile = path.join(tempDir('log'), 'log')
  const clock = new FakeClock()
  const stderr = new FakeStream()
  const context = { stdout: new FakeStream(), stderr, stderrIsTTY: false, env: {} }
  fs.writeFileSync(logFile, 'before\n')
  const report = createReporter(context, { ...talk, verbosity: 'quiet', logFile }, clock)
  report.phaseStart('copy')
  for (let s = 0; s <= 130; s += 1) {
    report.progress(snapshot(s * 1e7))
    clock.pass(1000)
  }
  report.note('a note\u001b[2J')
  report.event({
    type: 'volume-needed',
    wanted: { number: 2, label: 'x', known: true },
    files: 1,
    bytes: 5,
  })
  report.error('bad')
  report.end()
  t.is(stderr.text, 'error: bad\n')
  const [first, ...lines] = fs.readFileSync(logFile, 'utf8').trimEnd().split('\n')
  t.is(first, 'before')
  const told = lines.map((line) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (.*)$/.exec(line)?.[1] ?? line)
  t.deepEqual(told.slice(2), [
    'a note\\x1b[2J',
    'drive 2 (x) is wanted for 1 file (5 B)',
    'error: bad',
  ])
  t.regex(told[1] ?? '', /^copying · 12% · 1.2 GB of 10 GB/)
})

test('--progress-fd gets every object, and stdout has no progress then', async (t) => {
  const file = path.join(tempDir('fd'), 'objects')
  const progressFd = fs.openSync(file, 'w')
  for (const json of [false, true]) {
    fs.ftruncateSync(progressFd)
    const clock = new FakeClock()
    const stdout = new FakeStream()
    const context = { stdout, stderr: new FakeStream(), stderrIsTTY: false, env: {} }
    const report = createReporter(context, { ...talk, json, progressFd }, clock)
    report.phaseStart('copy')
    for (let ms = 0; ms <= 3000; ms += 100) {
      report.progress(onDrive)
      clock.pass(100)
    }
    report.event({ type: 'volume-needed', wanted: { number: 2, known: false }, files: 1, bytes: 5 })
    report.end()
    let objects: { type: string }[] = []
    // The stream writes by itself; the last object is the sign that all are there.
    while (objects.at(-1)?.type !== 'volume-needed') {
      await new Promise((done) => setTimeout(done, 20))
      const text = fs.readFileSync(file, 'utf8').replaceAll('\0', '')
      objects = text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { type: string })
    }
    t.is(objects.filter(({ type }) => type === 'progress').length, 3)
    for (const one of objects) t.is(eventFault(one), undefined)
    t.is(stdout.text.includes('"progress"'), false)
    t.is(stdout.text.includes('volume-needed'), json)
  }
  fs.closeSync(progressFd)
})

test('a descriptor that is not open, and a log that cannot be opened, are wrong usage', (t) => {
  const context = {
    stdout: new FakeStream(),
    stderr: new FakeStream(),
    stderrIsTTY: false,
    env: {},
  }
  t.throws(() => createReporter(context, { ...talk, progressFd: 60_000 }), {
    message: /60000 is not open/,
  })
  const read = fs.openSync('/dev/null', 'r')
  t.throws(() => createReporter(context, { ...talk, progressFd: read }), {
    message: /not open for writing/,
  })
  fs.closeSync(read)
  t.throws(() => createReporter(context, { ...talk, logFile: '/dev/null/x' }), {
    message: /cannot be opened/,
  })
})

test('the plain line has all of it', (t) => {
  t.is(
    progressLine('copy', onDrive, speed),
    'flushing · drive 2 of about 5 · 42% · 4.2 GB of 10 GB · 420 of 1,000 files · 35 MB/s · 2 min 46 s left · 2 errors',
  )
})
