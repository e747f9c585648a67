// Writes THIRD-PARTY-NOTICES: everything of others that is in the packages, with its licence.
//
//   node scripts/release/notices.mjs            writes it
//   node scripts/release/notices.mjs --check    exit code 1 where it is not what it would be
//
// Of several licences to choose from one is taken, in the order of `CHOICE`; a licence that is not there is an
// error: somebody has to look whether it may be taken. Texts that several have in common stand once.

import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from '../setup.mjs'
import { components } from './components.mjs'

const file = path.join(root, 'THIRD-PARTY-NOTICES')

/** Licences that we take, the preferred first, and how the file is called that holds its text. */
const CHOICE = [
  ['MIT', /^(licen[cs]e|copying)([-.](mit|md|txt))*$/i],
  ['ISC', /^licen[cs]e([-.](isc|md|txt))*$/i],
  ['Zlib', /^licen[cs]e([-.](zlib|md|txt))*$/i],
  ['0BSD', /^(licen[cs]e|copyright)?([-.]?(0bsd|licen[cs]e|md|txt))*$/i],
  ['BSD-2-Clause', /^licen[cs]e([-.](bsd|md|txt))*$/i],
  ['BSD-3-Clause', /^licen[cs]e([-.](bsd|md|txt))*$/i],
  ['MIT-0', /^licen[cs]e[-.]mit-?0/i],
  ['Apache-2.0', /^licen[cs]e([-._](apache|a2)([-._]2\.0)?|\.txt|\.md)?$/i],
  ['Unicode-3.0', /^licen[cs]e[-.]unicode$/i],
  ['blessing', /^$/],
]

const MIT = (holder) => `Copyright (c) ${holder}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation
the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and
to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of
the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO
THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT,
TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.`

/** Texts of those that bring no file of their own. */
const TEXTS = new Map([
  ['sqlite', 'SQLite is in the public domain: https://sqlite.org/copyright.html'],
  ['rust-std', MIT('The Rust Project Contributors')],
  ['clipanion', MIT('2019 Mael Nison')],
  ['typanion', MIT('2020 Mael Nison')],
  // The crates are published without the file that stands at the top of their repository.
  ['napi', MIT('2020-present LongYinan')],
  ['napi-sys', MIT('2020-present LongYinan')],
  ['napi-derive', MIT('2020-present LongYinan')],
  ['napi-derive-backend', MIT('2020-present LongYinan')],
])

/** The whole file. */
export function notices() {
  const byText = new Map()
  for (const component of components()) {
    for (const licence of chosen(component.licence)) {
      const text = textOf(component, licence)
      const key = `${licence}\n${text}`
      const entry = byText.get(key) ?? { licence, text, users: [] }
      entry.users.push(`${component.name} ${component.version}`.trim())
      byText.set(key, entry)
    }
  }
  const rule = '-'.repeat(80)
  const parts = [...byText.values()].map(
    ({ licence, text, users }) => `${rule}\n${users.join(', ')}\nLicence: ${licence}\n\n${text}\n`,
  )
  return `What others made, and is in the packages of multivolumecopy, or is installed with them.\nWritten by scripts/release/notices.mjs.\n\n${parts.join('\n')}`
}

/** The licences that hold for us, out of an SPDX expression of AND and OR. */
function chosen(expression) {
  const parts = expression.split(/ AND /).map((part) => part.replaceAll(/[()]/g, '').split(/ OR /))
  return parts.map((choices) => {
    const found = CHOICE.find(([id]) => choices.includes(id))
    if (!found) throw new Error(`no licence that was looked at: ${expression}`)
    return found[0]
  })
}

function textOf({ name, dir }, licence) {
  const given = TEXTS.get(name)
  if (given !== undefined) return given
  const [, pattern] = CHOICE.find(([id]) => id === licence)
  const names = fs.readdirSync(dir).filter((entry) => pattern.test(entry))
  // The longest name says most: LICENSE-MIT before LICENSE.
  const [best] = names.sort((a, b) => b.length - a.length || (a < b ? -1 : 1))
  if (best === undefined) throw new Error(`${name}: no text of ${licence} in ${dir}`)
  const text = fs.readFileSync(path.join(dir, best), 'utf8').replaceAll('\r\n', '\n')
  return text.replaceAll(/[ \t]+$/gm, '').trim()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = notices()
  if (!process.argv.includes('--check')) {
    fs.writeFileSync(file, text)
  } else if (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== text) {
    process.stderr.write(
      'THIRD-PARTY-NOTICES is not current: node scripts/release/notices.mjs makes it anew\n',
    )
    process.exitCode = 1
  }
}
