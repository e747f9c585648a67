import test from 'ava'
import stringWidth from 'fast-string-width'
import type { TalkOptions } from '../../src/copy/options.js'
import { createReporter, wantsColors } from '../../src/report/create.js'
import { RateMeter } from '../../src/report/rate.js'
import { eventLines, liveLines, progressLine } from '../../src/report/render.js'
import type { Progress, RunEvent } from '../../src/report/reporter.js'
import { durationText } from '../../src/report/words.js'
import { FakeClock, FakeStream } from './fake.js'

const talk: TalkOptions = { verbosity: 'normal', hideProgress: false, json: false, color: 'auto' }

function reporter(
  options: Partial<TalkOptions> & { tty?: boolean; env?: Record<string, string> } = {},
) {
  const { tty = false, env = {}, ...more } = options
  const clock = new FakeClock()
  const stdout = new FakeStream()
  const stderr = new FakeStream()
  const report = createReporter(
    { stdout, stderr, stderrIsTTY: tty, env },
    { ...talk, ...more },
    clock,
  )
  return { report, clock, stdout, stderr }
}

/** The colours that the reporter itself writes. */
const ownColors = new RegExp(`${'\u001b'}\\[\\d+m`, 'g')

const progress = (done: number, more: Partial<Progress> = {}): Progress => ({
  files: { done, total: 1000 },
  bytes: { done: done * 1e6, total: 1e9 },
  ...more,
})

const onVolume: Partial<Progress> = {
  volume: {
    number: 3,
    label: 'blue',
    index: 2,
    of: 5,
    estimated: true,
    files: { done: 10, total: 100 },
    bytes: { done: 1e7, total: 1e8 },
  },
  current: 'some/dir/日本語 file.txt',
  errors: 2,
}

const fileError: RunEvent = {
  type: 'file-error',
  path: 'd/caf\udce9\u001b[2J\n',
  doing: 'read',
  code: 'EIO',
  message: 'input/output error',
}

const closed: RunEvent = {
  type: 'volume-closed',
  volume: { number: 1, label: 'a\u202eb' },
  path: '/mnt/usb',
  complete: true,
  written: { files: 2, bytes: 3e9 },
  removed: 1,
  kept: 0,
  renamed: 0,
  failed: 0,
}

const events: readonly RunEvent[] = [
  {
    type: 'plan',
    sources: ['/mnt/src'],
    files: 3,
    bytes: 4e9,
    unchanged: 5,
    changed: 1,
    renamed: 1,
    gone: 2,
    unreadable: 1,
    volumes: [
      { number: 1, label: 'blue', known: true, files: 2, bytes: 3e9 },
      { number: 2, known: false, files: 1, bytes: 1e9 },
    ],
    unplaced: { files: 1, bytes: 9e12 },
  },
  { type: 'volume-needed', wanted: { number: 2, known: false }, files: 1, bytes: 1e9 },
  {
    type: 'volume-opened',
    volume: { number: 2 },
    path: '/mnt/usb',
    fresh: true,
    capacity: 2e9,
    available: 1.9e9,
  },
  closed,
  fileError,
  { type: 'verify-result', result: 'missing', path: 'a', index: 7, reason: 'not there' },
  {
    type: 'summary',
    exit: 23,
    complete: false,
    interrupted: false,
    written: { files: 2, bytes: 3e9 },
    unchanged: 5,
    renamed: 0,
    removed: 0,
    failed: 1,
    vanished: 1,
    unplaced: { files: 1, bytes: 9e12 },
    left: { files: 3, bytes: 1e9 },
    volumes: [{ number: 1 }],
    waiting: [{ number: 2, label: 'blue', renames: 1, removals: 3 }],
    seconds: 75,
  },
]

test('without a terminal: a line of progress every ten seconds, never redrawn', (t) => {
  const { report, clock, stderr } = reporter()
  report.phaseStart('copy')
  for (let s = 1; s <= 35; s += 1) {
    clock.pass(1000)
    report.progress(progress(s * 10))
  }
  report.end()
  const lines = stderr.text.trimEnd().split('\n')
  t.is(lines.length, 3)
  t.regex(
    lines[2] ?? '',
    /^copying · 30% · 300 MB of 1 GB · 300 of 1,000 files · 10 MB\/s · 1 min 10 s left$/,
  )
  t.false(stderr.text.includes('\u001b'))
})

test('at a terminal: nothing for 250 ms, then at most ten times a second, then gone', (t) => {
  const { report, clock, stderr } = reporter({ tty: true, env: { NO_COLOR: '1' } })
  report.phaseStart('copy')
  for (let ms = 0; ms < 240; ms += 10) {
    clock.pass(10)
    report.progress(progress(ms))
  }
  t.is(stderr.text, '')
  stderr.writes = 0
  for (let ms = 0; ms < 1000; ms += 5) {
    clock.pass(5)
    report.progress(progress(ms))
  }
  t.true(stderr.writes >= 5 && stderr.writes <= 11, `${stderr.writes} frames in a second`)
  t.is(clock.timers, 1)
  report.phaseEnd()
  t.is(clock.timers, 0)
  t.true(stderr.take().includes('copying'))
  clock.pass(5000)
  t.is(stderr.text, '')
})

test('a stalled run is still drawn once a second', (t) => {
  const { report, clock, stderr } = reporter({ tty: true })
  report.phaseStart('copy')
  report.progress(progress(1))
  clock.pass(300)
  stderr.take()
  clock.pass(500)
  t.is(stderr.text, '')
  clock.pass(700)
  t.not(stderr.text, '')
  report.end()
})

test('lines stand above the display, which makes room and comes back', (t) => {
  const { report, clock, stderr } = reporter({ tty: true, color: 'never' })
  report.phaseStart('copy')
  clock.pass(300)
  report.progress(progress(1))
  t.true(stderr.take().includes('copying'))
  report.note('a note')
  t.true(stderr.take().endsWith('a note\n'))
  clock.pass(200)
  t.true(stderr.take().includes('copying'))
  report.end()
})

test('while paused nothing is drawn and no timer runs; after it goes on', (t) => {
  const { report, clock, stderr } = reporter({ tty: true })
  report.phaseStart('copy')
  clock.pass(300)
  report.progress(progress(1))
  report.pause()
  stderr.take()
  t.is(clock.timers, 0)
  report.progress(progress(2))
  clock.pass(5000)
  t.is(stderr.text, '')
  report.resume()
  report.progress(progress(3))
  clock.pass(500)
  t.true(stderr.take().includes('copying'))
  report.end()
  report.end()
  t.is(clock.timers, 0)
})

test('the display is never wider than the terminal, and keeps what matters most', (t) => {
  const speed = { bytesPerSecond: 12e6, secondsLeft: 3700 }
  for (let width = 10; width <= 200; width += 1) {
    for (const blocks of [true, false]) {
      const canvas = { width, blocks, ascii: !blocks }
      for (const line of liveLines('copy', progress(123, onVolume), speed, canvas, (n) => n)) {
        t.true(stringWidth(line) <= width, `${width}: ${line}`)
        if (!blocks) t.regex(line, /^[ -~]*$/)
      }
    }
  }
  t.is(progressLine('copy', progress(123), speed, 16), 'copying · 12%')
  t.regex(progressLine('copy', progress(123, onVolume), speed), /drive 2 of about 5.*2 errors/)
  t.is(
    progressLine('verify', { files: { done: 5 }, bytes: { done: 10 } }, speed, 34),
    'verifying · 10 B · 1 h 2 min left',
  )
})

test('100 % is shown only at the end', (t) => {
  const nearly = { files: { done: 9, total: 10 }, bytes: { done: 999_999, total: 1_000_000 } }
  const speed = { bytesPerSecond: undefined, secondsLeft: undefined }
  t.regex(progressLine('copy', nearly, speed), /99%/)
  t.notRegex(progressLine('copy', { ...nearly, bytes: { done: 0, total: 0 } }, speed), /%|NaN/)
})

test('a line of progress can be asked for at any time, in every form', (t) => {
  for (const options of [
    {},
    { verbosity: 'quiet' as const },
    { tty: true },
    { hideProgress: true },
    { json: true },
  ]) {
    const { report, stderr } = reporter(options)
    report.line()
    t.is(stderr.take(), 'waiting\n')
    report.phaseStart('scan')
    report.line()
    t.is(stderr.take(), 'scanning\n')
    report.phaseStart('copy')
    report.progress(progress(500))
    report.line()
    t.regex(stderr.take(), /copying · 50%/)
    report.end()
  }
})

test('verbosity decides what is told', (t) => {
  const told = (verbosity: TalkOptions['verbosity']): string[] => {
    const { report, stderr } = reporter({ verbosity })
    report.debug('debug')
    report.detail('detail')
    report.note('note')
    report.block(['one', 'two'])
    report.warning('careful')
    report.error('bad')
    return stderr.text.trimEnd().split('\n')
  }
  const normal = ['note', 'one', 'two', 'warning: careful', 'error: bad']
  t.deepEqual(told('quiet'), ['error: bad'])
  t.deepEqual(told('normal'), normal)
  t.deepEqual(told('verbose'), ['detail', ...normal])
  t.deepEqual(told('debug'), ['debug', 'detail', ...normal])
})

test('quiet tells files that failed, and no progress', (t) => {
  const { report, clock, stderr, stdout } = reporter({
    verbosity: 'quiet',
    tty: true,
    color: 'never',
  })
  report.phaseStart('copy')
  clock.pass(20_000)
  report.progress(progress(1))
  report.event(closed)
  report.event(fileError)
  t.is(stderr.text, 'd/caf\\xe9\\x1b[2J\\n: read: input/output error (EIO)\n')
  t.is(stdout.text, '')
})

test('nothing in a name, a label or a sentence can move the cursor or forge a line', (t) => {
  const { report, stderr, stdout } = reporter({ color: 'always' })
  for (const event of events) report.event(event)
  report.note('a\u001b[2J\nforged line\u009b')
  report.data('x\u001b[2J')
  const own = stderr.text.replaceAll(ownColors, '')
  t.false(own.includes('\u001b'))
  t.notRegex(own.replaceAll('\n', ''), /[\p{Cc}\p{Cs}\u202a-\u202e]/u)
  t.false(own.includes('\nforged'))
  t.is(stdout.text, 'x\\x1b[2J\n')
})

test('every event reads as lines without leftovers', (t) => {
  for (const event of events) {
    const lines = eventLines(event, (name) => name)
    // The question for a drive says it itself.
    t.is(lines.length > 0, event.type !== 'volume-needed', event.type)
    for (const { text } of lines) t.notRegex(text, /undefined|NaN|\[object/, event.type)
  }
  t.deepEqual(
    eventLines({ type: 'verify-result', result: 'same', path: 'a' }, (n) => n),
    [],
  )
  t.true(eventLines(closed, (n) => n)[0]?.text.includes('is complete'))
  t.true(
    eventLines({ ...closed, complete: false } as RunEvent, (n) => n)[0]?.text.includes(
      'NOT complete',
    ),
  )
})

test('--json: one object a line on stdout, each with its type, and stderr for people', (t) => {
  const { report, clock, stdout, stderr } = reporter({ json: true })
  report.phaseStart('copy')
  for (let ms = 0; ms <= 3000; ms += 100) {
    report.progress(progress(ms, onVolume))
    clock.pass(100)
  }
  for (const event of events) report.event(event)
  report.data('not for here')
  report.note('a note')
  report.end()
  t.false(stdout.text.includes('\u202e') || stdout.text.includes('\u001b'))
  const objects = stdout.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; path?: string })
  t.is(objects.filter((o) => o.type === 'progress').length, 3)
  t.deepEqual(
    objects.filter((o) => o.type !== 'progress'),
    JSON.parse(JSON.stringify(events)) as typeof objects,
  )
  t.is(objects.find((o) => o.type === 'file-error')?.path, 'd/caf\udce9\u001b[2J\n')
  t.is(stderr.text, 'a note\n')
})

test('--hide-progress hides it in every form, and nothing else', (t) => {
  for (const options of [{ tty: true }, { json: true }, {}]) {
    const { report, clock, stdout, stderr } = reporter({ ...options, hideProgress: true })
    report.phaseStart('copy')
    for (let s = 0; s < 30; s += 1) {
      clock.pass(1000)
      report.progress(progress(s))
    }
    report.note('told')
    t.is(stdout.text, '')
    t.is(stderr.text, 'told\n')
  }
})

test('colours: at a terminal unless NO_COLOR or a dumb one; always and never are obeyed', (t) => {
  const wants = (tty: boolean, env: Record<string, string>, color: TalkOptions['color']): boolean =>
    wantsColors(
      { stdout: new FakeStream(), stderr: new FakeStream(), stderrIsTTY: tty, env },
      color,
    )
  t.true(wants(true, {}, 'auto'))
  t.false(wants(false, {}, 'auto'))
  t.false(wants(true, { NO_COLOR: '1' }, 'auto'))
  t.true(wants(true, { NO_COLOR: '' }, 'auto'))
  t.false(wants(true, { TERM: 'dumb' }, 'auto'))
  t.true(wants(false, { NO_COLOR: '1' }, 'always'))
  t.false(wants(true, {}, 'never'))
})

test('the rate is that of the last stretch, and small files do not make the rest look endless', (t) => {
  const meter = new RateMeter()
  t.is(meter.bytesPerSecond(), undefined)
  const at = (bytes: number, files: number): Progress => ({
    files: { done: files, total: 2000 },
    bytes: { done: bytes, total: 1e9 },
  })
  for (let s = 0; s <= 100; s += 1) meter.add(s * 1000, at(s < 50 ? 0 : (s - 50) * 1e6, 0))
  t.true(Math.abs((meter.bytesPerSecond() ?? 0) - 1e6) < 1)
  t.true(Math.abs((meter.secondsLeft(at(50e6, 0)) ?? 0) - (950e6 + 2000 * 4096) / 1e6) < 1)
  meter.reset()
  for (let s = 0; s <= 20; s += 1) meter.add(s * 1000, at(s * 1000, s * 100))
  const left = meter.secondsLeft({
    files: { done: 1999, total: 2000 },
    bytes: { done: 0, total: 1e6 },
  })
  t.true((left ?? Number.POSITIVE_INFINITY) < 10, String(left))
})

test('a failure without a name of its own is not called "failed" at the end', (t) => {
  const event = {
    type: 'file-error',
    path: 'a',
    doing: 'checking',
    message: 'another digest',
  } as const
  const text = (code: string) => eventLines({ ...event, code }, (name) => name)[0]?.text
  t.is(text('failed'), 'a: checking: another digest')
  t.is(text('EIO'), 'a: checking: another digest (EIO)')
})

test('sentences are broken between words at a terminal, and nowhere else', (t) => {
  const text = 'a sentence of some length that a narrow terminal cannot show in one line'
  for (const stderrIsTTY of [true, false]) {
    const stderr = new FakeStream()
    stderr.columns = 40
    const context = { stdout: new FakeStream(), stderr, stderrIsTTY, env: {} }
    const report = createReporter(context, { ...talk, color: 'never' }, new FakeClock())
    report.note(text)
    report.end()
    t.is(stderr.text.split('\n').length, stderrIsTTY ? 3 : 2)
    t.is(stderr.text.replaceAll('\n', ' ').trim(), text)
  }
})

test('durations for people', (t) => {
  t.deepEqual(
    [0, 59.4, 60, 200, 3600, 7500, 86_399, 100_000, -5].map(durationText),
    [
      '0 s',
      '59 s',
      '1 min 0 s',
      '3 min 20 s',
      '1 h 0 min',
      '2 h 5 min',
      '24 h 0 min',
      '1 d 4 h',
      '0 s',
    ].map((text) => (text === '24 h 0 min' ? '1 d 0 h' : text)),
  )
})
