/** A tree with the names that a file server has: photos, music, documents, programs, mail; in several languages. */

import * as fs from 'node:fs'
import * as path from 'node:path'
import { Random } from '../__test__/helpers/random.js'

const PLACES = [
  'Urlaub Rügen',
  'Wedding Anna & Tom',
  'Garten',
  'Tokyo 東京',
  'Ferien in Österreich',
]
const BANDS = ['Die Ärzte', 'Björk', 'Sigur Rós', 'The Beatles', 'Кино', '久石譲', 'Motörhead']
const WORDS = [
  ...['invoice', 'report', 'minutes', 'Steuererklärung', 'Vertrag', 'letter to', 'notes', 'budget'],
  ...['final', 'draft', 'Entwurf', 'old', 'copy of', 'scan', 'présentation', 'Übersicht', 'annual'],
]
const PACKAGES = ['lodash', 'react', 'typescript', '@types/node', 'webpack', 'eslint', 'core-js']
const MODULES = [
  'index',
  'utils',
  'parser',
  'stream',
  'cache',
  'format',
  'worker',
  'schema',
  'client',
]

/** Which directory comes next, and how its files are called. */
interface Shelf {
  readonly directory: string
  readonly name: (n: number) => string
}

/** Fills `root` with `count` files, a few dozen to a directory. They have sizes and times, and hold nothing but a hole. */
export function realNames(root: string, count: number): void {
  const random = new Random(1_000_000)
  const of = <T>(list: readonly T[]): T => list[random.below(list.length)] as T
  const two = (n: number) => String(n).padStart(2, '0')
  const kinds: readonly ((n: number) => Shelf)[] = [
    (n) => {
      const [year, month] = [2003 + (n % 21), 1 + random.below(12)]
      const day = `${year}${two(month)}`
      return {
        directory: `Photos/${year}/${year}-${two(month)} ${of(PLACES)} ${n}`,
        name: (i) =>
          i % 3 === 0
            ? `DSC${String(random.below(100_000)).padStart(5, '0')}_${i}.ARW`
            : `IMG_${day}${two(1 + (i % 28))}_${two(i % 24)}${two(i % 60)}${two((i * 7) % 60)}.jpg`,
      }
    },
    (n) => ({
      directory: `Music/${of(BANDS)}/${1960 + (n % 64)} – Album No. ${n}`,
      name: (i) => `${two(i + 1)} – ${of(WORDS)} ${of(WORDS)}.flac`,
    }),
    (n) => ({
      directory: `Documents/${of(WORDS)}/${2000 + (n % 25)}/${n}`,
      name: (i) => `${of(WORDS)} ${of(WORDS)} ${i} (v${1 + (i % 4)}).${of(['pdf', 'docx', 'odt'])}`,
    }),
    (n) => ({
      directory: `Projects/website-${n % 400}/node_modules/${of(PACKAGES)}/lib/${n}`,
      name: (i) => `${of(MODULES)}-${i}.${of(['js', 'd.ts', 'js.map', 'json'])}`,
    }),
    (n) => ({
      directory: `Mail/archive-${n % 90}/cur/${n}`,
      name: (i) =>
        `${1_400_000_000 + n * 1000 + i}.M${random.below(1_000_000)}P${n}.server,S=${i}:2,S`,
    }),
  ]
  for (let made = 0, n = 0; made < count; n += 1) {
    const { directory, name } = (kinds[n % kinds.length] as (n: number) => Shelf)(n)
    const at = path.join(root, directory)
    fs.mkdirSync(at, { recursive: true })
    const many = Math.min(count - made, 20 + random.below(60))
    for (let i = 0; i < many; i += 1) {
      const isNeedle = made + i === Math.floor(count * 0.7)
      const file = fs.openSync(path.join(at, isNeedle ? 'the needle.txt' : name(i)), 'w')
      fs.ftruncateSync(file, random.below(3000))
      const time = 1_050_000_000 + random.below(700_000_000)
      fs.futimesSync(file, time, time)
      fs.closeSync(file)
    }
    made += many
  }
}
