/** That no test is forgotten: every file that declares tests is one that ava collects. */

import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = fileURLToPath(new URL('../..', import.meta.url))

test('every file that imports ava to declare tests is collected', (t) => {
  const { files } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')).ava
  // If the pattern changes, this test has to be thought through again.
  t.deepEqual(files, ['__test__/**/*.test.ts'])
  const sources = ['__test__', 'src', 'bench', 'scripts'].flatMap((top) => below(top))
  const declaring = sources.filter((file) => {
    if (!/\.[cm]?[jt]sx?$/.test(file)) return false
    return /^import test\b.* from 'ava'/m.test(fs.readFileSync(path.join(root, file), 'utf8'))
  })
  const isHelper = (file: string) => file === '__test__/helpers/root.ts'
  const uncollected = declaring.filter(
    (file) => !/^__test__\/.*\.test\.ts$/.test(file) && !isHelper(file),
  )
  t.deepEqual(uncollected, [])
  t.true(declaring.includes('__test__/tooling/collected.test.ts'))
})

test('every file with the name of a test declares one, and nothing is focused', (t) => {
  for (const file of below('__test__')) {
    if (!/[._](test|spec)\.[cm]?[jt]s$/.test(file)) continue
    const text = fs.readFileSync(path.join(root, file), 'utf8')
    t.regex(file, /^__test__\/.*\.test\.ts$/)
    t.regex(text, /^import .*from '(ava|.*helpers\/root\.js|\.\/root\.js)'/m, file)
    t.notRegex(text, /^\s*test(\.\w+)*\.only\(/m, file)
  }
})

function below(top: string): string[] {
  const directory = path.join(root, top)
  if (!fs.existsSync(directory)) return []
  return fs.readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(top, entry.name)
    return entry.isDirectory() ? below(file) : [file]
  })
}
