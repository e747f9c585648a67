/** While somebody is asked for a drive, what is mounted meanwhile is seen and named, without a key. */
import { makeHost } from '../helpers/cli.js'
import { type Drive, MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { closes, drivePrompt, ended, makeSource, onTerminal, shelf } from './kit.js'

rootTest('a new drive is told by label and size, and is noticed when it is mounted', async (t) => {
  const host = makeHost()
  const size = 12 * MiB
  const source = makeSource({ a: 4 * MiB, b: 4 * MiB, c: 4 * MiB })
  const [first, second, other] = [1, 2, 3].map(() => makeDrive({ size })) as [Drive, Drive, Drive]
  ended(
    t,
    await makeHost().run([makeSource({ film: 'film' }), '-o', other.path, '--set', 'films']),
    0,
  )
  const bay = shelf([first, second, other])
  first.remount({ path: bay })
  const terminal = onTerminal(t, host, [source, '-o', bay])
  await terminal.expect(/Drive 1 \((.*?)\) is done: .* unplugged now\. Write "\1" on its case\./)
  await terminal.expect(/It may be of any size; with [\d.]+ MB free it takes all that is left\./)
  await drivePrompt(terminal)
  first.unmount()
  other.remount({ path: bay })
  await terminal.expect(/another set, "films".* A new drive \(number 2\) is wanted\.\n> $/)
  terminal.send('c\r')
  await drivePrompt(terminal)
  other.unmount()
  second.remount({ path: bay })
  await terminal.expect(/is empty and can be a new drive of this set\. c goes on with it\.\n> $/)
  terminal.send('c\r')
  await closes(t, terminal, 0)
})
