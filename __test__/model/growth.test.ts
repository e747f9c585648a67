/**
 * What a month costs: 5 % more files, 2 % fewer, over ten drives. Nothing that was there is written again;
 * beside it, what the seed's rule would write on the same tree.
 */

import { ended, events } from '../copy/kit.js'
import { makeHost } from '../helpers/cli.js'
import { assertUnionEquals, differences } from '../helpers/compare.js'
import { freshSeed, Random } from '../helpers/random.js'
import { rootTest } from '../helpers/root.js'
import { tempDir } from '../helpers/temp.js'
import { atTheTerminal, Shelf } from './shelf.js'
import { LivingTree, type ModelFile } from './tree.js'

/** About what fits on one of the drives, in bytes of content. */
const DRIVE = 7_000_000

/**
 * The seed's rule: files in the order of their names, each drive filled to its end. Gives the drive of each
 * file: where that differs from before, the file is deleted on one drive and written on another.
 */
function seedPlaces(files: ReadonlyMap<string, ModelFile>): Map<string, number> {
  const places = new Map<string, number>()
  let [drive, used] = [1, 0]
  for (const name of [...files.keys()].sort()) {
    const { size } = files.get(name) as ModelFile
    if (used + size > DRIVE) {
      drive += 1
      used = 0
    }
    used += size
    places.set(name, drive)
  }
  return places
}

rootTest('a month later: 5 % more, 2 % fewer, and nothing else is written', async (t) => {
  t.timeout(300_000)
  const seed = freshSeed()
  t.log(`seed ${seed} (MVCOPY_SEED=${seed} makes it again)`)
  const host = makeHost()
  const tree = new LivingTree(tempDir('src'), new Random(seed))
  const drives = new Shelf(12)
  tree.fill(9.2 * DRIVE)
  drives.insert(1)
  const copy = [tree.root, '-o', drives.bay, '--delete']
  const first = await atTheTerminal(t, host, drives, copy)
  t.is(first.bytes, tree.bytes)
  drives.empty()

  const before = seedPlaces(tree.files)
  const changes = tree.step({
    add: 0.05,
    change: 0,
    remove: 0.02,
    renameFiles: 0,
    renameDirectories: 0,
  })
  const after = seedPlaces(tree.files)
  let again = 0
  const touched = new Set<number>()
  for (const [name, drive] of after) {
    const had = before.get(name)
    if (had === drive) continue
    touched.add(drive)
    if (had === undefined) continue
    touched.add(had)
    again += tree.files.get(name)?.size ?? 0
  }

  const run = await atTheTerminal(t, host, drives, copy)
  t.is(run.bytes, changes.bytes, 'content was written that was there')
  const MB = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`
  t.log(
    `${MB(tree.bytes)} on ${first.asked.length + 1} drives, ${MB(changes.bytes)} of it new: ` +
      `written beyond that 0, drives asked for ${run.asked.length}; ` +
      `by the seed's rule ${MB(again)} beyond that, ${touched.size} drives`,
  )
  t.true(run.asked.length <= touched.size)

  // What is gone goes when its drive is in, without another byte.
  await drives.withAll(async (mounted) => {
    const extra = differences(
      tree.root,
      mounted.map((drive) => drive.path),
    )
    t.true(
      extra.every((line) => line.startsWith('too much: ') || line.includes('mtime')),
      `${extra}`,
    )
    const all = [tree.root, ...mounted.flatMap((drive) => ['-o', drive.path]), '--delete', '--json']
    const settled = await host.run(all)
    ended(t, settled, 0)
    t.is(events(settled, 'summary')[0]?.written.bytes, 0)
    assertUnionEquals(t, tree.root, mounted)
  })
})
