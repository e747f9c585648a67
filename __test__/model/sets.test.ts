/**
 * A set of ten drives that lives for years: at each step the source changes at random, the same command
 * brings the set up to date, and what it wrote, which drives it asked for and what stands on them is
 * held against a model.
 *
 * Half of the steps are made at a terminal, which puts in each drive that is asked for: then these are
 * exactly the known drives of the plan, and no more new ones. In the others nobody is there: each run ends with 4 and names the drive
 * that it needs, which is put in, and the same command goes on. There each run makes a plan of its own,
 * from what the drives have room for by then: what is written is the same, the drives may be others.
 */

import test from 'ava'
import { type Event, ended, events } from '../copy/kit.js'
import { makeHost } from '../helpers/cli.js'
import { assertUnionEquals } from '../helpers/compare.js'
import { MiB } from '../helpers/drives.js'
import { freshSeed, Random } from '../helpers/random.js'
import { rootTest } from '../helpers/root.js'
import { tempDir } from '../helpers/temp.js'
import { atTheTerminal, Shelf, withNobodyThere } from './shelf.js'
import { type Changes, LivingTree } from './tree.js'

const DRIVES = 10
const STEPS = Number(process.env.MVCOPY_STEPS ?? 20)

rootTest(
  'ten drives through many changes: only what is new is written, only what is needed asked for',
  async (t) => {
    t.timeout(600_000)
    const seed = freshSeed()
    t.log(`seed ${seed} (MVCOPY_SEED=${seed} makes it again)`)
    const random = new Random(seed)
    const host = makeHost()
    const tree = new LivingTree(tempDir('src'), random)
    const drives = new Shelf(DRIVES)
    const copy = [tree.root, '-o', drives.bay, '--delete']
    let drivesAsked = 0
    for (let step = 0; step <= STEPS; step += 1) {
      const changes: Changes =
        step === 0
          ? tree.fill(30 * MiB)
          : tree.step({
              add: random.pick([0, 0.02, 0.05]),
              change: random.pick([0, 0.01, 0.03]),
              remove: random.pick([0, 0.02, 0.04]),
              renameFiles: random.below(4),
              renameDirectories: random.chance(0.3) ? 1 : 0,
            })
      // The place of the first drive is no folder to be used as one.
      if (step === 0) drives.insert(1)
      const what = `step ${step}: ${JSON.stringify(changes)}`
      const plan = await host.run(['plan', ...copy, '--json'])
      ended(t, plan, 0)
      const [planned] = events(plan, 'plan')
      t.is(planned?.renamed, changes.renamed, what)
      const attended = step % 2 === 1
      const done = await (attended ? atTheTerminal : withNobodyThere)(t, host, drives, copy)
      t.is(done.bytes, changes.bytes, `${what}: other content was written than what is new`)
      if (attended) {
        // Known drives are planned, new ones estimated: room turns out that was not counted on, never less.
        const { volumes } = planned as Event
        const of = (known: boolean): number[] =>
          volumes.filter((v: Event) => v.known === known).map((v: Event) => v.number)
        const fresh = new Set(of(false))
        const known = done.asked.filter((number) => !fresh.has(number))
        t.deepEqual(known.toSorted(), of(true).toSorted(), `${what}: other drives than planned`)
      }
      drivesAsked += done.asked.length
      drives.empty()
      if (step % 4 !== 0) continue
      // All drives in: what waited for its drive (names, removals) is done, and nothing is written.
      await drives.withAll(async (mounted) => {
        const args = [
          tree.root,
          ...mounted.flatMap(({ path }) => ['-o', path]),
          '--delete',
          '--json',
        ]
        const settled = await host.run(args)
        ended(t, settled, 0)
        const written = events(settled, 'volume-closed').reduce(
          (sum, { written: { bytes } }) => sum + bytes,
          0,
        )
        t.is(written, 0, what)
        assertUnionEquals(t, tree.root, mounted)
      })
    }
    t.log(
      `${STEPS} steps, ${tree.files.size} files at the end, ${drivesAsked} drives asked for in all`,
    )
  },
)

test('the model keeps its own books', (t) => {
  const tree = new LivingTree(tempDir('src'), new Random(7))
  const first = tree.fill(2 * MiB)
  t.is(first.bytes, tree.bytes)
  const second = tree.step({
    add: 0.1,
    change: 0.1,
    remove: 0.1,
    renameFiles: 2,
    renameDirectories: 1,
  })
  t.true(second.added > 0 && second.changed > 0 && second.removed > 0 && second.renamed > 1)
  assertUnionEquals(t, tree.root, [tree.root])
})
