/** A drive that fails for good while it is written: said, never called complete, finished when it is back. */

import { fileURLToPath } from 'node:url'
import { rootTest } from '../helpers/root.js'
import { Scene } from './scene.js'

const shutdown = fileURLToPath(new URL('shutdown.mjs', import.meta.url))

for (const fs of ['ext4', 'xfs'] as const) {
  for (const step of ['apply', 'copy', 'close']) {
    rootTest(`${fs} is shut down before the engine's ${step}`, async (t) => {
      const scene = await Scene.make({ drives: [fs], update: true })
      const [drive] = scene.drives
      if (drive === undefined) throw new Error('no drive')
      const before = scene.closedDates()
      const run = await scene.run([], ['--json'], {
        NODE_OPTIONS: `--import=${shutdown}`,
        MVCOPY_TEST_STEP: step,
        MVCOPY_TEST_DRIVE: drive.path,
      })
      t.is(run.code, 11, run.stderr)
      t.true(run.stderr.includes(drive.path), run.stderr)
      t.notRegex(run.stdout, /"type":"volume-closed".*"complete":true/)
      t.notRegex(run.stdout, /"type":"summary".*"complete":true/)
      drive.unmount()
      drive.remount()
      const [date] = scene.closedDates()
      t.true(date === undefined || date === before[0], 'complete all the same')
      t.deepEqual(scene.torn(), [])
      const promised = scene.promised()
      const again = await scene.run()
      t.is(again.code, 0, again.stderr)
      t.deepEqual(scene.faults(promised), [], again.stderr)
    })
  }
}
