/** A flush that failed is never asked again for the same data: every file is written anew. */

import { rootTest } from '../helpers/root.js'
import { Scene } from './scene.js'
import { type Call, targetsOf } from './strace.js'

const NAMES = ['syncfs', 'fsync', 'openat', 'symlinkat', 'linkat', 'renameat2']
const MAKES = ['openat', 'symlinkat', 'linkat']

/** The temp file that a call makes, or renames to a final name; undefined if it does neither. */
function temp(call: Call): string | undefined {
  if (/= -1 /.test(call.line) && !call.line.includes('INJECTED')) return undefined
  if (call.name === 'openat' && !call.line.includes('O_EXCL')) return undefined
  const directories = call.paths.filter((one) => one.startsWith('/'))
  const names = call.paths.filter((one) => !one.startsWith('/'))
  const directory = MAKES.includes(call.name) ? directories.at(-1) : directories[0]
  const name = call.name === 'renameat2' || call.name === 'openat' ? names[0] : names.at(-1)
  return /\/tmp\/[0-9a-f]+$/.test(directory ?? '') ? `${directory}/${name}` : undefined
}

for (const nth of [1, 2]) {
  rootTest(`flush ${nth} of a copy fails: what follows was written after it`, async (t) => {
    const scene = await Scene.make()
    const target = targetsOf(await scene.calls(NAMES), ['syncfs']).find((one) => one.nth === nth)
    if (target === undefined) throw new Error('no such flush')
    const { run, calls } = await scene.failTraced(target, 'EIO', false, NAMES)
    const failed = calls.find(({ line }) => line.includes('INJECTED'))
    if (failed === undefined) throw new Error(`nothing failed: ${run.stderr}`)
    const after = calls.filter((c) => c.thread === failed.thread && c.index > failed.index)
    const fresh = new Set(after.filter((c) => MAKES.includes(c.name)).map(temp))
    const renamed = after.filter((c) => c.name === 'renameat2').map(temp)
    const placed = renamed.filter((one) => one !== undefined)
    t.true(placed.length >= 9, `the files were not put in place again: ${run.stderr}`)
    t.deepEqual(
      placed.filter((one) => !fresh.has(one)),
      [],
      'a file from before the failed flush was put in place after it',
    )
    t.true(run.stdout.includes('"type":"file-error"'), 'the failed flush is not mentioned')
    const again = await scene.run()
    t.is(again.code, 0, again.stderr)
    t.deepEqual(scene.faults(new Map()), [])
  })
}
