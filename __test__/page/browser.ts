/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Pages in a real browser, as somebody opens them by double click: headless Chromium on file:// addresses.
 *
 * Everything that the page asks for is noted, and whatever goes wrong in it; a network is nowhere.
 */

import { pathToFileURL } from 'node:url'
import type { ExecutionContext } from 'ava'
import { type Browser, chromium, type Page } from 'playwright-core'

let browser: Promise<Browser> | undefined

/** A page that is open, and what happened in it. */
export interface Opened {
  readonly page: Page
  /** Addresses that it asked for. */
  readonly asked: string[]
  /** Errors, and messages of the console. */
  readonly faults: string[]
}

/** Starts a browser that asks nobody for anything. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      '--disable-dev-shm-usage',
    ],
  })
}

/** Opens a file in a window of its own. */
export async function open(
  t: ExecutionContext,
  file: string,
  options: { colorScheme?: 'dark' | 'light'; width?: number; javaScriptEnabled?: boolean } = {},
): Promise<Opened> {
  browser ??= launch()
  const { width = 1000, ...rest } = options
  const context = await (await browser).newContext({
    ...rest,
    viewport: { width, height: 1100 },
  })
  t.teardown(() => context.close())
  const page = await context.newPage()
  const [asked, faults]: [string[], string[]] = [[], []]
  page.on('request', (request) => asked.push(request.url()))
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('console', (message) => faults.push(message.text()))
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.setDefaultTimeout(60_000)
  await page.goto(pathToFileURL(file).href)
  // Functions that are handed over were compiled by tsx, which gives them names in this way.
  if (rest.javaScriptEnabled !== false) await page.evaluate('globalThis.__name = (made) => made')
  return { page, asked, faults }
}

/** Types a query into the search box as a person does, and waits until the search is over. */
export async function search({ page }: Opened, query: string): Promise<string[]> {
  await page.focus('#query')
  await page.keyboard.press('Control+A')
  await page.keyboard.press('Delete')
  await page.keyboard.type(query)
  await page.keyboard.press('Enter')
  await page.waitForFunction((q) => document.documentElement.dataset.searched === q, query)
  return page.locator('#found > li').allInnerTexts()
}

/** Ends the browser. */
export async function close(): Promise<void> {
  await (await browser)?.close()
}
