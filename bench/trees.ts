/**
 * The trees that are measured: many empty files, many small files, a few large ones.
 *
 * The same call makes the same tree. Content is random enough that nothing compresses or dedups it.
 */

import * as fs from 'node:fs'
import * as path from 'node:path'
import { Random } from '../__test__/helpers/random.js'

/** Makes `directories` directories (a hundred to a parent) with `each` empty files. */
export function manyEmptyFiles(root: string, directories: number, each: number): void {
  for (let index = 0; index < directories; index++) {
    const directory = path.join(root, `group-${Math.floor(index / 100)}`, `directory-${index}`)
    fs.mkdirSync(directory, { recursive: true })
    for (let file = 0; file < each; file++) {
      fs.closeSync(fs.openSync(path.join(directory, `file-number-${file}.txt`), 'w'))
    }
  }
}

/** Makes files of log-normal sizes, about 13.7 kB on average, a hundred to a directory. */
export function manySmallFiles(root: string, count: number): void {
  const random = new Random(684)
  const content = random.bytes(16 << 20)
  for (let index = 0; index < count; index++) {
    const directory = path.join(
      root,
      `part-${Math.floor(index / 5000)}`,
      `${Math.floor(index / 100)}`,
    )
    if (index % 100 === 0) fs.mkdirSync(directory, { recursive: true })
    const size = random.size(4450, 1.5, 8 << 20)
    const from = random.below(content.length - size)
    fs.writeFileSync(path.join(directory, `${index}.dat`), content.subarray(from, from + size))
  }
}

/** Makes `count` files of `size` bytes, which is a multiple of 1 MiB. */
export function largeFiles(root: string, count: number, size: number): void {
  fs.mkdirSync(root, { recursive: true })
  const random = new Random(512)
  const block = random.bytes(1 << 20)
  for (let index = 0; index < count; index++) {
    const file = fs.openSync(path.join(root, `large-${index}.bin`), 'w')
    try {
      for (let at = 0; at < size; at += block.length) {
        // A block that is never the same twice costs next to nothing this way.
        block.writeUInt32LE(random.below(2 ** 32), random.below(block.length - 4))
        fs.writeSync(file, block)
      }
    } finally {
      fs.closeSync(file)
    }
  }
}

/** What stands at the root of a drive beside the tree that was copied. */
const notOfTheTree = new Set(['.mvcopy', 'START-HERE.html', 'lost+found'])

/** Counts regular files and their bytes, without what the program itself puts on a drive. */
export function measureTree(root: string): { files: number; bytes: number } {
  const total = { files: 0, bytes: 0 }
  const pending = [root]
  for (let here = pending.pop(); here !== undefined; here = pending.pop()) {
    for (const entry of fs.readdirSync(here, { withFileTypes: true })) {
      const at = path.join(here, entry.name)
      if (here === root && notOfTheTree.has(entry.name)) continue
      if (entry.isDirectory()) pending.push(at)
      else {
        total.files += 1
        total.bytes += fs.lstatSync(at).size
      }
    }
  }
  return total
}
