/** The import arrows of ARCHITECTURE.md: that the lint rules really fire, and say where to go. */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { tempDir } from '../helpers/temp.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const biome = path.join(root, 'node_modules/@biomejs/biome/bin/biome')

/** Lines of code by file, and what the linter must say about each; '' where it must be silent. */
const cases: Record<string, [line: string, complaint: string][]> = {
  'src/commands/copy.ts': [
    ["import '../../native/index.js'", 'Only src/native imports the generated binding'],
    ["import '../native/job.js'", 'call a flow'],
    ["import 'node:process'", "from the command's context"],
    ['console.log()', 'console'],
    ['process.exit()', 'process'],
    ["await import('../copy/run.js')", ''],
    ["import '../report/report.js'", ''],
  ],
  'src/copy/run.ts': [
    ["import '../commands/copy.js'", 'Nothing imports the commands'],
    ["await import('../commands/copy.js')", 'Nothing imports the commands'],
    ["import '../cli.js'", 'Nothing imports the commands or the edge'],
    ["import '../../native/index.js'", 'Only src/native'],
    ["import '../report/terminal.js'", 'chosen at the edge'],
    ['process.exit()', 'process'],
    ["import '../plan/fold.js'", ''],
    ["import '../native/job.js'", ''],
    ["import '../report/report.js'", ''],
    ["import '../prompt/prompter.js'", ''],
  ],
  'src/volume/look.ts': [
    ["import '../copy/run.js'", 'The flows use this folder'],
    ["import '../native/volume.js'", ''],
  ],
  'src/set/state.ts': [
    ["import '../copy/run.js'", 'The flows use this folder'],
    ["import '../query/where.js'", 'The flows use this folder'],
    ["import '../native/set.js'", ''],
  ],
  'src/query/where.ts': [
    ["import '../commands/where.js'", 'Nothing imports the commands'],
    ["import '../set/state.js'", ''],
  ],
  'src/job/read.ts': [["import '../verify/seed.js'", 'The flows use this folder']],
  'src/plan/fold.ts': [
    ["import 'node:fs'", 'src/plan is pure'],
    ["import 'typanion'", 'src/plan is pure'],
    ["import '../native/job.js'", 'src/plan is pure'],
    ["import '../volume/facts.js'", 'src/plan is pure'],
    ["import '../size.js'", ''],
    ["import './ledger.js'", ''],
  ],
  'src/report/terminal.ts': [
    ["import '../copy/run.js'", 'are leaves'],
    ["import '../native/names.js'", 'are leaves'],
    ["import '../size.js'", ''],
    ["import 'string-width'", ''],
  ],
  'src/prompt/terminal.ts': [["import '../volume/facts.js'", 'are leaves']],
  'src/native/job.ts': [
    ["import '../volume/facts.js'", 'lowest layer'],
    ["import '../../native/index.js'", ''],
    ['process.report.getReport()', ''],
  ],
  'src/program.ts': [
    ["import '../native/index.js'", 'Only src/native'],
    ["import './native/load.js'", ''],
    ['process.exitCode = 1', ''],
  ],
}

test('imports against the arrows are refused, all others are not', (t) => {
  const place = tempDir('lint')
  fs.copyFileSync(path.join(root, 'biome.json'), path.join(place, 'biome.json'))
  fs.writeFileSync(path.join(place, '.gitignore'), 'node_modules\n')
  for (const [file, lines] of Object.entries(cases)) {
    fs.mkdirSync(path.dirname(path.join(place, file)), { recursive: true })
    fs.writeFileSync(path.join(place, file), lines.map(([line]) => `${line}\n`).join(''))
  }
  const options = ['lint', '--reporter=github', '--max-diagnostics=none', '.']
  const run = spawnSync(process.execPath, [biome, ...options], { cwd: place, encoding: 'utf8' })
  const all = run.stdout.split('\n').filter((line) => line.startsWith('::error'))
  // The samples import each other: that rule fires too.
  const isCycle = (line: string): boolean => line.includes('noImportCycles')
  t.true(all.some(isCycle))
  const complaints = all.filter((line) => !isCycle(line))
  t.true(complaints.length > 0, run.stderr)
  for (const [file, lines] of Object.entries(cases)) {
    for (const [index, [line, complaint]] of lines.entries()) {
      const here = complaints.filter(
        (text) => text.includes(`${file},`) && text.includes(`,line=${index + 1},`),
      )
      const what = `${file}: ${line}: ${here.join('\n')}`
      if (complaint === '') t.deepEqual(here, [], what)
      else t.true(here.join('\n').includes(complaint), what)
    }
  }
})

test('the core knows nothing of Node.js', (t) => {
  // Each package of the lock file with what it depends on, for tests and other platforms included.
  const lock = fs.readFileSync(path.join(root, 'Cargo.lock'), 'utf8')
  const uses = new Map<string, string[]>()
  for (const block of lock.split('[[package]]\n').slice(1)) {
    const name = /^name = "(.+)"$/m.exec(block)?.[1] ?? ''
    const list = /^dependencies = \[([^\]]*)\]/m.exec(block)?.[1] ?? ''
    const used = Array.from(list.matchAll(/"([^" ]+)[^"]*"/g), ([, dependency = '']) => dependency)
    uses.set(name, [...(uses.get(name) ?? []), ...used])
  }
  const reached = new Set<string>()
  const pending = ['multivolumecopy-core']
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (reached.has(name)) continue
    reached.add(name)
    pending.push(...(uses.get(name) ?? []))
  }
  t.true(reached.has('rustix') && reached.has('linux-raw-sys'))
  t.true(uses.get('multivolumecopy-node')?.includes('napi'))
  t.deepEqual(
    [...reached].filter((name) => /^napi\b|^multivolumecopy-node$/.test(name)),
    [],
  )
})
