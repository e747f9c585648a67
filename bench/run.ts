/**
 * `npm run bench`: measures the program beside its peers and writes bench/RESULTS.md.
 *
 *   npm run bench -- [--quick] [--runs N] [--only start,scan,small,large,verify,restore,growth,million,eta,page] [--entries N,N] [--no-write]
 *
 * `--quick` takes a tenth of everything, for trying; its figures are printed and not written down.
 * `growth` is every command on 10,000, 100,000 and a million entries, or on `--entries`.
 * `million`, `eta` (how honest the time left is) and `page` (START-HERE.html of a million files) run only when they are
 * named; the last two have no peers and are printed alone. MVCOPY_BENCH_DIR says where the trees and images lie (up to
 * 12 GB), by default the system's temporary directory. As root, copies go to a tmpfs and to a
 * loop-mounted ext4, else into a directory beside the source. It is no test: nothing here fails
 * because of a time.
 */

import * as fs from 'node:fs'
import { parseArgs } from 'node:util'
import { tempDir } from '../__test__/helpers/temp.js'
import { sideBySide } from './measure.js'
import { document, fileSystemOf, type Result, table } from './results.js'
import { etaTable } from './eta.js'
import { growthTable } from './growth.js'
import { pageTable } from './page.js'
import { disposeKept } from './places.js'
import { suites } from './suites.js'

/** What is measured by itself, without a peer. */
const alone: Record<string, (scale: number, log: (text: string) => void) => Promise<string>> = {
  eta: etaTable,
  page: pageTable,
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    runs: { type: 'string', default: '3' },
    only: { type: 'string', default: 'start,scan,small,large,verify,restore,growth' },
    entries: { type: 'string', default: '10000,100000,1000000' },
    'no-write': { type: 'boolean', default: false },
  },
})

await main()

async function main(): Promise<void> {
  const keys = values.only.split(',')
  const known = { ...suites, ...alone, growth: [] }
  const unknown = keys.filter((key) => !(key in known))
  const runs = Number(values.runs)
  const entries = values.entries.split(',').map(Number)
  if (unknown.length > 0 || ![runs, ...entries].every((n) => Number.isInteger(n) && n > 0)) {
    const takes = `--only takes ${Object.keys(known).join(', ')}; --runs and --entries numbers from 1`
    process.stderr.write(`${takes}\n`)
    process.exitCode = 2
    return
  }
  if (!fs.existsSync(new URL('../dist/main.js', import.meta.url))) {
    process.stderr.write('Not built yet: npm run build\n')
    process.exitCode = 2
    return
  }
  // Everything temporary is made below TMPDIR, mounts and images included, and goes at the end.
  if (process.env.MVCOPY_BENCH_DIR) process.env.TMPDIR = process.env.MVCOPY_BENCH_DIR
  const workFileSystem = fileSystemOf(tempDir('work'))
  const log = (text: string) => process.stderr.write(`${text}\n`)

  const results: Result[] = []
  for (const key of keys) {
    const table = alone[key]
    if (table === undefined) continue
    process.stdout.write(`${await table(values.quick ? 0.1 : 1, log)}\n`)
  }
  for (const key of keys.filter((one) => one in suites)) {
    log(`${key}: making the tree`)
    for (const suite of suites[key]?.(values.quick ? 0.1 : 1) ?? []) {
      log(suite.title)
      const outcomes = await sideBySide(suite.contenders, runs, log)
      suite.dispose()
      disposeKept()
      const result = { title: suite.title, goals: suite.goals, outcomes }
      results.push(result)
      process.stdout.write(`${table(result)}\n`)
    }
  }
  const scale = values.quick ? 0.1 : 1
  const growth = keys.includes('growth')
    ? await growthTable(
        entries.map((count) => Math.ceil(count * scale)),
        log,
      )
    : undefined
  if (growth !== undefined) process.stdout.write(`${growth}\n`)
  if (values.quick || values['no-write'] || results.length === 0) return
  const how = `medians of ${runs} interleaved runs, whole processes by the wall clock`
  fs.writeFileSync(
    new URL('RESULTS.md', import.meta.url),
    `${document(results, growth, how, workFileSystem).trimEnd()}\n`,
  )
}
