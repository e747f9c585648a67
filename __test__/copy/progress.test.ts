/** Progress of a real run over two drives, slowed down: it never falls, and goes where it was asked to go. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import test from 'ava'
import { makeHost } from '../helpers/cli.js'
import { eventFault } from '../helpers/events.js'
import { tempDir } from '../helpers/temp.js'
import { ended, makeSource } from './kit.js'

interface Count {
  readonly done: number
  readonly total?: number
}

interface Told {
  readonly type: string
  readonly phase?: string
  readonly files: Count
  readonly bytes: Count
  readonly current?: string
  readonly volume?: { readonly index: number; readonly bytes: Count }
}

test('of a real run neither bytes nor percentage fall, and the descriptor and the log have it all', async (t) => {
  const host = makeHost()
  const place = tempDir('told')
  const [objects, log] = [path.join(place, 'objects'), path.join(place, 'log')]
  const names = Array.from({ length: 60 }, (_, i) => [`f${i}`, 50_000 + i] as const)
  const source = makeSource(Object.fromEntries(names))
  const outputs = [tempDir('out'), tempDir('out')]
  const args = [source, ...outputs.flatMap((one) => ['-o', one]), '--volume-size', '2500K', '-q']
  const slow = ['strace', '-D', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=pwrite64']
  const run = await host.run([...args, '-w', '1', '--progress-fd', '3', '--log-file', log], {
    under: [
      ...['bash', '-c', 'exec "$@" 3>"$0"', objects, ...slow],
      ...['-e', 'inject=pwrite64:delay_enter=50000'],
    ],
  })
  ended(t, run, 0)
  t.is(run.stdout + run.stderr, '')
  const told = fs
    .readFileSync(objects, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Told)
  for (const one of told) t.is(eventFault(one), undefined)
  t.is(told[0]?.type, 'plan')
  t.is(told.at(-1)?.type, 'summary')
  const copying = told.filter(({ type, phase }) => type === 'progress' && phase === 'copy')
  t.true(copying.length >= 2, `${copying.length} objects of progress`)
  const share = ({ done, total }: Count) => done / (total ?? 1)
  const shares = copying.map(({ bytes }) => share(bytes))
  t.deepEqual(
    shares,
    [...shares].sort((a, b) => a - b),
  )
  for (const { bytes, volume } of copying) {
    t.is(bytes.total, 60 * 50_000 + (60 * 59) / 2)
    t.true(share(volume?.bytes ?? { done: 9 }) <= 1)
  }
  const lines = fs.readFileSync(log, 'utf8').trimEnd().split('\n')
  for (const line of lines) t.regex(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ +\S/)
  t.true(lines.some((line) => line.includes('60 files')))
  t.regex(lines.at(-1) ?? '', /written to drive 1 .*, drive 2 /)
})

test('a descriptor that nobody has opened is wrong usage, before anything is done', async (t) => {
  const host = makeHost()
  const out = path.join(tempDir('out'), 'new')
  const run = await host.run([makeSource({ a: 'a' }), '-o', out, '--progress-fd', '77'])
  ended(t, run, 2)
  t.regex(run.stderr, /descriptor 77 is not open for writing/)
  t.false(fs.existsSync(out))
})

test('the recipe of the docs: a program of the shell gets the objects', async (t) => {
  const host = makeHost()
  const objects = path.join(tempDir('told'), 'objects')
  // The shell hands the pipe over twice: as 3, and under the number that it had before.
  const run = await host.run(
    ['plan', makeSource({ a: 'a' }), '--volume-size', '9M', '--progress-fd', '3'],
    {
      under: ['bash', '-c', '"$@" 3> >(cat > "$0")', objects],
    },
  )
  ended(t, run, 0)
  let told = ''
  // The program ends by itself, later than ours.
  while (!told.endsWith('\n')) {
    await new Promise((done) => setTimeout(done, 20))
    told = fs.existsSync(objects) ? fs.readFileSync(objects, 'utf8') : ''
  }
  t.regex(told, /"type":"plan"/)
})
