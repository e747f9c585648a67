/** What comes after a copy: checking a drive, and bringing files back. The caches are warm for all. */

import { tempDir } from '../__test__/helpers/temp.js'
import type { Contender } from './measure.js'
import { emptyPlace, fastPlace, installed, madeOnce, ours, quote, remove, us } from './places.js'
import type { Suite } from './suites.js'
import { measureTree } from './trees.js'

/** Checks of a whole drive in memory, so that what is measured is the checking and not the drive. */
export function verifySuite(
  what: string,
  count: number,
  room: number,
  grow: (root: string) => void,
): Suite {
  const tree = tempDir('tree')
  grow(tree)
  const from = quote(tree)
  const sha256 = madeOnce(fastPlace(), room, ours(from, '"$OUT"'))
  const blake3 = madeOnce(fastPlace(), room, `${ours(from, '"$OUT"')} --digest blake3`)
  const listed = 'cd "$OUT" && hashdeep -c sha256 -r -l . > "$HOME/known"'
  return {
    key: 'verify',
    title: `Checking ${count.toLocaleString('en')} ${what}`,
    contenders: [
      { name: 'multivolumecopy verify', command: `${us} verify -o "$OUT"`, prepare: sha256 },
      {
        name: 'sha256sum -c',
        command: 'cd "$OUT" && sha256sum -c --quiet .mvcopy/SHA256SUMS',
        prepare: sha256,
      },
      {
        name: 'multivolumecopy verify (BLAKE3)',
        command: `${us} verify -o "$OUT"`,
        prepare: blake3,
      },
      ...installed('b3sum', {
        name: 'b3sum -c',
        command: 'cd "$OUT" && b3sum -c --quiet .mvcopy/B3SUMS',
        prepare: blake3,
      }),
      ...installed('hashdeep', {
        name: 'hashdeep -a',
        command: 'cd "$OUT" && hashdeep -c sha256 -r -l -a -k "$HOME/known" .',
        prepare: madeOnce(fastPlace(), room, `cp -a ${from}/. "$OUT" && ${listed}`),
      }),
      ...installed('rclone', {
        name: 'rclone check --download',
        command: `rclone check ${from} "$OUT" --download --exclude '/.mvcopy/**' --exclude /START-HERE.html`,
        prepare: sha256,
      }),
    ],
    goals: [
      { us: 'multivolumecopy verify', peer: 'sha256sum -c', atMost: 1 / 6 },
      { us: 'multivolumecopy verify (BLAKE3)', peer: 'b3sum -c', atMost: 1 },
    ],
    dispose: () => remove(tree),
  }
}

/** All of a drive comes back into an empty place. */
export function restoreSuite(
  what: string,
  count: number,
  room: number,
  grow: (root: string) => void,
): Suite {
  const tree = tempDir('tree')
  grow(tree)
  const expected = measureTree(tree)
  const backedUp = madeOnce(fastPlace(), room, ours(quote(tree), '"$OUT"'))
  const into = (name: string, command: string): Contender => ({
    name,
    command: `${command} && sync -f "$TO"`,
    prepare: () => {
      const made = backedUp()
      const { at, dispose } = emptyPlace(fastPlace(), room)
      return {
        ...made,
        env: { ...made.env, TO: at },
        check: () => {
          const { files, bytes } = measureTree(at)
          const all = files === expected.files && bytes === expected.bytes
          return (
            made.check?.() ?? (all ? undefined : `${files} of ${expected.files} files are back`)
          )
        },
        dispose,
      }
    },
  })
  return {
    key: 'restore',
    title: `Bringing ${count.toLocaleString('en')} ${what} back, to ${fastPlace()}`,
    contenders: [
      into('multivolumecopy restore', `${us} restore -o "$OUT" --to "$TO" --hide-progress`),
      into('cp -a', 'cp -a "$OUT"/. "$TO"'),
      into('rsync -a', 'rsync -a --exclude=/.mvcopy --exclude=/START-HERE.html "$OUT"/ "$TO"'),
    ],
    goals: [{ us: 'multivolumecopy restore', peer: 'cp -a', atMost: 1 }],
    dispose: () => remove(tree),
  }
}
