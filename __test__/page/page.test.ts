/** START-HERE.html as a browser shows it: hostile names, the search by keyboard, parts that are loaded. */

import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { type Host, makeHost } from '../helpers/cli.js'
import { tempDir } from '../helpers/temp.js'
import { ended, makeSource, put } from '../copy/kit.js'
import { close, open, search } from './browser.js'

test.after.always(close)

const HOSTILE = [
  '<img src=x onerror="window.hacked=1">.jpg',
  'x<',
  '"><script>window.hacked=1<',
  "' onmouseover='window.hacked=1",
  'javascript:window.hacked=1',
  'new\nline\ttab',
  'gnp.\u202eexe',
  'sep\u2028a\u2029b',
  'back\\slash',
  '&lt;b&gt; & co',
  '@@FACTS@@ $\u007bwindow.hacked=1} %3Cb%3E',
  '#anchor?query',
] as const

/** A set on two folders: odd names in one directory, many plain ones in others. */
async function twoDrives(
  t: Parameters<typeof ended>[0],
  many = 0,
): Promise<{ host: Host; source: string; drives: [string, string] }> {
  const host = makeHost()
  const source = makeSource({})
  for (const [n, name] of HOSTILE.entries()) put(source, `odd/${name}`, `content ${n}`)
  // The end tag of a script can only be a path.
  put(source, 'x</script><script>window.hacked=1</script>', 'end')
  fs.writeFileSync(Buffer.from(`${source}/odd/caf\xe9`, 'latin1'), 'latin')
  fs.symlinkSync('nowhere', `${source}/odd/link`)
  fs.mkdirSync(`${source}/odd/empty folder`)
  put(source, 'zz/Größe von Füßen.txt', 'unicode')
  for (let n = 0; n < many; n += 1) {
    const name = `shelf ${n % 7}/a rather long name so that a part is full, number ${n}.txt`
    put(source, name, `${n}`)
  }
  put(source, 'zzz/large', 300_000)
  const drives: [string, string] = [tempDir('one'), tempDir('two')]
  const limits = ['--volume-size', '2M', '--volume-size', '50M']
  ended(t, await host.run([source, ...drives.flatMap((one) => ['-o', one]), ...limits, '-y']), 0)
  return { host, source, drives }
}

test('hostile names are text, and nothing but text', async (t) => {
  const { drives } = await twoDrives(t)
  for (const drive of drives) {
    if (!fs.existsSync(path.join(drive, '.mvcopy'))) continue
    const file = path.join(drive, 'START-HERE.html')
    t.true(fs.statSync(file).size < 40_000, 'a small set has a small page')
    const opened = await open(t, file)
    const { page, asked, faults } = opened
    const found = await search(opened, 'odd/')
    t.is(found.length, HOSTILE.length + 3)
    const text = found.join('\n')
    for (const shown of [
      '<img src=x onerror="window.hacked=1">.jpg',
      '"><script>window.hacked=1<',
      'new\\nline\\ttab',
      'gnp.\\u{202e}exe',
      'sep\\u{2028}a\\u{2029}b',
      'back\\\\slash',
      '&lt;b&gt; & co',
      'caf\\xe9',
    ]) {
      t.true(text.includes(shown), `${shown} in ${text}`)
    }
    t.is((await search(opened, 'script>window.hacked')).length, 2)
    t.is(await page.evaluate('window.hacked'), undefined)
    t.is(await page.locator('img, iframe, object, embed, svg, base').count(), 0)
    t.deepEqual(
      await page.evaluate(() =>
        Array.from(document.querySelectorAll('*'), (one) => one.getAttributeNames())
          .flat()
          .filter((name) => name.startsWith('on')),
      ),
      [],
    )
    // What could turn the text around is not in the page at all.
    t.notRegex(await page.content(), /[\u202a-\u202e\u2028\u2029\u2066-\u2069]/u)
    t.deepEqual(faults, [])
    t.deepEqual(asked, [`file://${file}`])
    // Each link leads to the file that it names.
    const hrefs = await page.evaluate(() =>
      Array.from(document.querySelectorAll<HTMLAnchorElement>('#found a'), (a) => a.href),
    )
    t.true(
      hrefs.every((href) => fs.existsSync(fileURLToPath(href))),
      hrefs.join('\n'),
    )
  }
})

test('a search by keyboard: over the parts of the whole set, capitals and accents alike', async (t) => {
  const { source, drives } = await twoDrives(t, 300)
  const [first, second] = drives
  const parts = fs.readdirSync(path.join(first, '.mvcopy/start-here'))
  t.true(parts.length > 0)
  const opened = await open(t, path.join(first, 'START-HERE.html'))
  const { page, asked, faults } = opened
  t.is(asked.length, 1, 'the parts wait for a search')
  await page.keyboard.press('Tab')
  t.is(await page.evaluate(() => document.activeElement?.className), 'skip')
  await page.keyboard.press('Enter')
  t.is(await page.evaluate(() => document.activeElement?.id), 'query')
  await page.keyboard.type('größe FÜßEN')
  await page.waitForFunction(() => document.getElementById('status')?.textContent?.endsWith('.'))
  const status = page.locator('#status')
  t.is(await status.innerText(), '1 entry found.')
  t.is(await status.getAttribute('aria-live'), 'polite')
  t.deepEqual(
    asked
      .slice(1)
      .map((url) => path.basename(url))
      .sort(),
    parts.sort(),
  )
  // Another spelling of the same letters.
  t.is((await search(opened, 'Größe'.normalize('NFD'))).length, 1)
  t.is((await search(opened, 'odd/ link')).length, 1)
  t.is((await search(opened, 'lf 3/a rather NUMBER 10.')).length, 1)
  t.is((await search(opened, 'number 10 no such')).length, 0)
  t.is(await status.innerText(), 'Nothing was found.')
  // Sizes, times and drives are no names.
  t.is((await search(opened, 's44we8')).length, 0)
  const many = await search(opened, 'rather')
  t.is(many.length, 100)
  t.is(await status.innerText(), '300 entries found, the first 100 shown.')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('ArrowDown')
  const focused = () => page.evaluate(() => document.activeElement?.textContent)
  t.is(await focused(), (many[1] as string).split('\n')[0])
  await page.keyboard.press('Escape')
  t.is(await page.evaluate(() => document.activeElement?.id), 'query')
  await page.click('#more')
  await page.click('#more')
  t.is(await page.locator('#found > li').count(), 300)
  t.true(await page.locator('#more').isHidden())
  // The drive that has it is told, and it is the one.
  for (const item of await page.locator('#found > li').allInnerTexts()) {
    const [name = '', , rest = ''] = /^(.*)\n(Drive [12])/.exec(item) ?? []
    const number = /Drive ([12])/.exec(item)?.[1]
    t.true(
      fs.existsSync(path.join(number === '1' ? first : second, item.split('\n')[0] ?? '')),
      `${name}${rest}`,
    )
  }
  t.true(fs.existsSync(source))
  t.deepEqual(faults, [])
  // Parts that went missing are told of.
  fs.rmSync(path.join(first, '.mvcopy/start-here'), { recursive: true })
  const broken = await open(t, path.join(first, 'START-HERE.html'))
  await search(broken, 'rather')
  t.regex(
    await broken.page.locator('#status').innerText(),
    /cannot be read: is the folder \.mvcopy beside/,
  )
})

test('what the page says: this drive, all drives, how to check and restore; in the dark, narrow, without scripts', async (t) => {
  const { drives } = await twoDrives(t)
  const file = path.join(drives[0], 'START-HERE.html')
  for (const options of [{}, { colorScheme: 'dark', width: 380 }] as const) {
    const { page, faults } = await open(t, file, options)
    const text = await page.locator('body').innerText()
    t.regex(text, /^Drive 1 of the backup set /m)
    t.regex(text, /Drive 1 “.*”\n+This drive/)
    t.true(text.includes('sha256sum -c --quiet .mvcopy/SHA256SUMS'))
    t.true(text.includes('rsync -aH --exclude=/.mvcopy --exclude=/START-HERE.html DRIVE/'))
    t.true(text.includes('multivolumecopy restore -o DRIVE --to'))
    t.regex(text, /zzz\n+300 kB, 1 file/)
    t.is(
      await page.locator('.bar[role=img][aria-label]').count(),
      await page.locator('.volumes > li').count(),
    )
    // Nothing is wider than the window.
    t.true(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth))
    // All text has a contrast of 4.5 at least.
    t.deepEqual(await page.evaluate(poorContrast), [])
    t.deepEqual(faults, [])
  }
  const bare = await open(t, file, { javaScriptEnabled: false })
  t.regex(await bare.page.locator('body').innerText(), /README\.txt in the folder \.mvcopy/)
})

test('how many drives the set has, where it is one', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 'a' })
  const drive = tempDir('one')
  const about = async (): Promise<string> => {
    const { page } = await open(t, path.join(drive, 'START-HERE.html'))
    return (await page.locator('#about').innerText()).replaceAll(/\s+/g, ' ')
  }
  ended(t, await host.run([source, '-o', drive, '-y']), 0)
  t.regex(await about(), /1 file, 1 byte\. It is the only drive of this set\./)
  put(source, 'large', 300_000)
  const more = ['-o', tempDir('two'), '--volume-size', '200K', '--volume-size', '50M', '-y']
  ended(t, await host.run([source, '-o', drive, ...more]), 0)
  t.regex(await about(), /It is one of 2 drives of this set\./)
})

/** Texts that are too near to what is behind them (WCAG 2); runs in the browser. */
function poorContrast(): string[] {
  const channels = (colour: string) => (colour.match(/[\d.]+/g) ?? []).map(Number)
  const light = (colour: string) => {
    const [r = 0, g = 0, b = 0] = channels(colour).map((c) => {
      const share = c / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = (from: Element | null): string => {
    for (let at = from; at !== null; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor
      if ((channels(colour)[3] ?? 1) !== 0) return colour
    }
    return 'rgb(255, 255, 255)'
  }
  const poor: string[] = []
  for (const one of document.querySelectorAll('body *')) {
    const hasText = Array.from(one.childNodes).some(
      (node) => node.nodeType === 3 && node.textContent?.trim(),
    )
    if (!hasText || one.tagName === 'SCRIPT' || one.tagName === 'NOSCRIPT') continue
    const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort(
      (x, y) => y - x,
    ) as [number, number]
    const ratio = (a + 0.05) / (b + 0.05)
    if (ratio < 4.5) poor.push(`${one.textContent?.slice(0, 40)}: ${ratio.toFixed(2)}`)
  }
  return poor
}
