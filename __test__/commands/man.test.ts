/** The man page: current, without a fault for the man programs, and with everything that the help has. */
import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { manual, table } from '../../src/cli.js'
import { EXIT_TEXT } from '../../src/exit.js'

const run = promisify(execFile)
const file = fileURLToPath(new URL('../../man/multivolumecopy.1', import.meta.url))

test('the page in man/ is the one that the table gives (else: node scripts/man.mjs)', async (t) => {
  t.is(fs.readFileSync(file, 'utf8'), await manual())
})

test('mandoc finds no fault in it, and shows each command, option and exit code', async (t) => {
  // mandoc ends with another code than 0 when it has something to say of this level or above.
  await run('mandoc', ['-T', 'lint', '-W', 'warning', file])
  const { stdout } = await run('mandoc', ['-T', 'ascii', '-O', 'width=200', file])
  // Bold and underlined are written with backspaces.
  const text = stdout.split('\b').reduce((before, after) => before.slice(0, -1) + after)
  for (const { name, options } of table()) {
    t.true(text.includes(`\n   ${name}\n`), name)
    for (const option of options) {
      const value = option.value === undefined ? '' : ` ${option.value.name}`
      t.true(
        text.includes(`${option.names.join(', ')}${value}\n`) ||
          text.includes(`${option.names.join(', ')}${value} `),
        option.names.join(),
      )
    }
  }
  for (const [code, meaning] of Object.entries(EXIT_TEXT)) {
    t.regex(text, new RegExp(`^ +${code} +${meaning.slice(0, 30).replaceAll(/[()]/g, '.')}`, 'm'))
  }
})
