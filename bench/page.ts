/// <reference lib="dom" />
/**
 * START-HERE.html of a set of a million files, from a real run, in headless Chromium: how long it takes to open, how
 * long until the first result of a search and until its end, and how much memory the page takes.
 *
 * MVCOPY_BENCH_SHOTS is a directory for screenshots; without it there are none.
 */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Page } from 'playwright-core'
import { launch } from '../__test__/page/browser.js'
import { emptyPlace, fastPlace, freshHost, MiB, ours, quote } from './places.js'
import { realNames } from './names.js'

/** What is looked for, and why. */
const QUERIES: readonly (readonly [string, string])[] = [
  ['a name that is there once', 'the needle'],
  ['two words of a path', 'urlaub img_2019'],
  ['a word with an accent, in capitals', 'ÄRZTE'],
  ['a folder', 'node_modules/lodash'],
  ['a letter that nearly every path has', 'e'],
  ['what is nowhere', 'qqzzqqzz'],
]

/** One search, in milliseconds from the last key. */
interface Searched {
  readonly first: number | undefined
  readonly end: number
  readonly status: string
}

/** Makes the set and gives the tables. `scale`: of a million. */
export async function pageTable(scale: number, log: (text: string) => void): Promise<string> {
  const count = Math.round(1_000_000 * scale)
  const room = 512 * MiB + count * 6144
  const source = emptyPlace(fastPlace(), room)
  const drive = emptyPlace(fastPlace(), room)
  try {
    log(`making ${count.toLocaleString('en')} files`)
    realNames(source.at, count)
    log('copying them')
    const { env, cwd } = freshHost({})
    const began = performance.now()
    const run = spawnSync('/bin/sh', ['-c', ours(quote(source.at), quote(drive.at))], {
      env: { ...process.env, ...env },
      ...(cwd === undefined ? {} : { cwd }),
      encoding: 'utf8',
    })
    if (run.status !== 0) throw new Error(`exit code ${run.status}: ${run.stderr}`)
    log(`copied in ${((performance.now() - began) / 1000).toFixed(0)} s`)
    return await measure(path.join(drive.at, 'START-HERE.html'), count, log)
  } finally {
    source.dispose()
    drive.dispose()
  }
}

async function measure(file: string, count: number, log: (text: string) => void): Promise<string> {
  const parts = path.join(path.dirname(file), '.mvcopy/start-here')
  const sizes = fs.readdirSync(parts).map((name) => fs.statSync(path.join(parts, name)).size)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const browser = await launch()
  const [opened, rows]: [number[], string[]] = [[], []]
  let largest = 0
  try {
    for (const [what, query] of QUERIES) {
      // Each with a page of its own: nothing is loaded yet.
      const context = await browser.newContext({ viewport: { width: 1000, height: 1100 } })
      const page = await context.newPage()
      const begin = performance.now()
      await page.goto(pathToFileURL(file).href)
      opened.push(performance.now() - begin)
      const empty = await heap(page)
      const cold = await search(page, query)
      const warm = await search(page, query)
      const full = await heap(page)
      largest = Math.max(largest, full)
      const row = `| ${what} (\`${query}\`) | ${cold.status} | ${seconds(cold.first)} | ${seconds(cold.end)} | ${seconds(warm.first)} | ${seconds(warm.end)} | ${megabytes(full - empty)} |`
      log(row)
      rows.push(row)
      await context.close()
    }
    await shots(browser, file)
  } finally {
    await browser.close()
  }
  opened.sort((a, b) => a - b)
  return [
    `## START-HERE.html with ${count.toLocaleString('en')} files`,
    '',
    `- the page has ${(fs.statSync(file).size / 1000).toFixed(0)} kB; ${sizes.length} parts have ${megabytes(total)}, ${(total / count).toFixed(0)} bytes a file`,
    `- it opens in ${seconds(opened[opened.length >> 1])} (median of ${opened.length})`,
    `- the page's script takes at most ${megabytes(largest)} of memory`,
    '',
    '| what is looked for | answer | first result, first search | all of it | first result, again | all of it | memory |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
    '',
  ].join('\n')
}

/** Types a query as a person does, and waits for its end. Times count from the last key. */
async function search(page: Page, query: string): Promise<Searched> {
  await page.evaluate(() => {
    const times: { key?: number; first?: number } = {}
    ;(globalThis as unknown as { times: typeof times }).times = times
    delete document.documentElement.dataset.searched
    const found = document.getElementById('found')
    document.getElementById('query')?.addEventListener('input', () => {
      times.key = performance.now()
      delete times.first
    })
    if (found === null) return
    new MutationObserver(() => {
      if (found.childElementCount === 0 || times.first !== undefined) return
      // When it is drawn.
      times.first = Number.NaN
      requestAnimationFrame(() => requestAnimationFrame(() => (times.first = performance.now())))
    }).observe(found, { childList: true })
  })
  await page.focus('#query')
  await page.keyboard.press('Control+A')
  await page.keyboard.press('Delete')
  await page.keyboard.type(query, { delay: 60 })
  await page.waitForFunction((q) => document.documentElement.dataset.searched === q, query, {
    polling: 20,
    timeout: 120_000,
  })
  return page.evaluate(() => {
    const { key = 0, first } = (
      globalThis as unknown as { times: { key?: number; first?: number } }
    ).times
    return {
      first: first === undefined || Number.isNaN(first) ? undefined : first - key,
      end: performance.now() - key,
      status: document.getElementById('status')?.textContent ?? '',
    }
  })
}

/** Bytes of the page's script, after what is not used any more has gone. */
async function heap(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page)
  await session.send('HeapProfiler.collectGarbage')
  const { usedSize } = await session.send('Runtime.getHeapUsage')
  await session.detach()
  return usedSize
}

/** How it looks: light, dark, narrow, with the keyboard, as read aloud. */
async function shots(browser: Awaited<ReturnType<typeof launch>>, file: string): Promise<void> {
  const to = process.env.MVCOPY_BENCH_SHOTS
  if (to === undefined) return
  for (const [name, width, colorScheme] of [
    ['light', 1000, 'light'],
    ['dark', 1000, 'dark'],
    ['narrow', 360, 'light'],
  ] as const) {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme })
    const page = await context.newPage()
    await page.goto(pathToFileURL(file).href)
    await page.screenshot({ path: path.join(to, `${name}.png`), fullPage: true })
    await search(page, 'urlaub img_2019')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    await page.screenshot({ path: path.join(to, `${name}-found.png`) })
    if (name === 'light') {
      const tree = await page.locator('body').ariaSnapshot()
      fs.writeFileSync(path.join(to, 'read-aloud.txt'), tree)
    }
    await context.close()
  }
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? '–' : `${(ms / 1000).toFixed(2)} s`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`
}
