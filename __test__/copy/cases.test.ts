/** Every new drive is told once by what is to be written on its case, also where several are done before anybody is asked. */
import test from 'ava'
import { Cases } from '../../src/copy/cases.js'
import { makeHost } from '../helpers/cli.js'
import { type Drive, MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { ended, makeSource } from './kit.js'

const drive = (n: number) => ({ label: `x-${n}`, path: `/mnt/${n}`, isDrive: true })

test('one that is spoken of, others by their places, each once', (t) => {
  const cases = new Cases()
  t.is(cases.take('/mnt/1'), '')
  cases.add(drive(1))
  t.is(cases.take('/mnt/1'), 'Write "x-1" on its case.')
  t.is(cases.take('/mnt/1'), '')
  for (const n of [2, 3, 4]) cases.add(drive(n))
  t.is(
    cases.take('/mnt/4'),
    'Write "x-2" on the case of the drive at /mnt/2, "x-3" on that of the one at /mnt/3 and "x-4" on that of the one at /mnt/4.',
  )
  cases.add(drive(5))
  t.is(cases.take('/mnt/6'), 'Write "x-5" on the case of the drive at /mnt/5.')
  // A folder has no case.
  cases.add({ ...drive(7), isDrive: false })
  cases.add(drive(8))
  t.is(cases.atEnd(), 'Write "x-8" on the case of the drive at /mnt/8.')
  t.is(cases.atEnd(), '')
})

rootTest('drives that are mounted together are told, and the last one at the end', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 4 * MiB, b: 4 * MiB, c: 4 * MiB, d: 4 * MiB, e: 4 * MiB })
  const size = 12 * MiB
  const [one, two, three] = [1, 2, 3].map(() => makeDrive({ size })) as [Drive, Drive, Drive]
  const outputs = ['-o', one.path, '-o', two.path]
  const run = await host.run([source, ...outputs, '--set', 'x', '--on-volume-full', 'exit 3'])
  ended(t, run, 4)
  t.true(
    run.stderr.includes(
      `Write "x-1" on the case of the drive at ${one.path} and "x-2" on that of the one at ${two.path}.`,
    ),
    run.stderr,
  )
  const rest = await host.run([source, '-o', three.path, '--set', 'x'])
  ended(t, rest, 0)
  t.true(
    rest.stderr.includes(`Write "x-3" on the case of the drive at ${three.path}.`),
    rest.stderr,
  )
  const again = await host.run([source, '-o', three.path, '--set', 'x'])
  ended(t, again, 0)
  t.notRegex(again.stderr, /on the case/)
})
