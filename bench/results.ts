/** The tables of a benchmark: figures, ratios against the goals, and the machine, as Markdown. */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import type { Outcome } from './measure.js'
import type { Goal } from './suites.js'

/** What one suite gave. */
export interface Result {
  title: string
  goals: readonly Goal[]
  outcomes: readonly Outcome[]
}

/** One suite as two tables: the figures, and how they stand to the goals. */
export function table({ title, goals, outcomes }: Result): string {
  const fastestFirst = [...outcomes].sort(
    (a, b) => (a.seconds ?? Number.POSITIVE_INFINITY) - (b.seconds ?? Number.POSITIVE_INFINITY),
  )
  const rows = fastestFirst.map(({ name, seconds, all, peak, failure }) =>
    failure
      ? `| ${name} | failed: ${failure.replaceAll('|', '\\|')} | | |`
      : `| ${name} | ${seconds?.toFixed(2)} | ${range(all)} | ${peak ? megabytes(peak) : '–'} |`,
  )
  const measured = new Map(outcomes.map((outcome) => [outcome.name, outcome.seconds]))
  const known = goals.filter(({ us, peer }) => measured.get(us) && measured.get(peer))
  const goalRows = known.map(({ us, peer, atMost }) => {
    const ratio = (measured.get(us) ?? Number.NaN) / (measured.get(peer) ?? Number.NaN)
    return `| ${us} / ${peer} | ${ratio.toFixed(2)} | ≤ ${Number(atMost.toFixed(2))} | ${ratio <= atMost ? 'yes' : '**no**'} |`
  })
  return [
    `## ${title}`,
    '',
    '| who | median s | all runs | peak memory |',
    '| --- | ---: | --- | ---: |',
    ...rows,
    ...(goalRows.length > 0
      ? ['', '| ratio | measured | goal | met |', '| --- | ---: | ---: | --- |', ...goalRows]
      : []),
    '',
  ].join('\n')
}

/** The whole document. Names no host, no user and no path. */
export function document(
  results: readonly Result[],
  growth: string | undefined,
  how: string,
  workFileSystem: string,
): string {
  return [
    '# Benchmark results',
    '',
    'Written by `npm run bench`; only figures of one such run may be compared with each other.',
    '',
    `- ${how}`,
    `- ${os.cpus().length} × ${os.cpus()[0]?.model.trim() ?? 'unknown processor'}, ${(os.totalmem() / 2 ** 30).toFixed(0)} GiB of memory, Linux ${os.release()}`,
    `- sources and images on ${workFileSystem}; caches warm; every copy ends with \`sync -f\``,
    `- peak memory: the largest single process of a command, as wait4(2) counts it`,
    `- ${versions().join(', ')}`,
    '',
    'What the ratios that are not met come from, system calls and ten million entries are in [NOTES.md](NOTES.md).',
    '',
    ...results.map(table),
    ...(growth === undefined ? [] : [growth]),
  ].join('\n')
}

/** The name of the file system type that a directory is on. */
export function fileSystemOf(directory: string): string {
  const run = spawnSync('findmnt', ['-n', '-o', 'FSTYPE', '-T', directory], { encoding: 'utf8' })
  return run.stdout?.trim() || 'an unknown file system'
}

function versions(): string[] {
  const tools: [string, string[]][] = [
    ['find', ['--version']],
    ['bfs', ['--version']],
    ['fpart', ['-V']],
    ['cp', ['--version']],
    ['rsync', ['--version']],
    ['tar', ['--version']],
    ['sha256sum', ['--version']],
    ['b3sum', ['--version']],
    ['hashdeep', ['-V']],
    ['rclone', ['--version']],
    ['rustc', ['--version']],
  ]
  const found = tools.flatMap(([tool, args]) => {
    const run = spawnSync(tool, args, { encoding: 'utf8' })
    const number = /\d+\.\d+(\.\d+)?/.exec(`${run.stdout ?? ''}${run.stderr ?? ''}`)?.[0]
    return number ? [`${tool} ${number}`] : []
  })
  const { version } = JSON.parse(
    fs.readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  )
  return [`multivolumecopy ${version}`, `Node.js ${process.versions.node}`, ...found]
}

function range(all: readonly number[]): string {
  return all.map((seconds) => seconds.toFixed(2)).join(' ')
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
}
