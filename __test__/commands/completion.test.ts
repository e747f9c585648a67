/** Completion in the real shells: commands, options, files, values, and the sets and drives of this host. */
import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { table } from '../../src/cli.js'
import { type Host, makeHost, program } from '../helpers/cli.js'
import { tempDir } from '../helpers/temp.js'

const run = promisify(execFile)

/** A name that a shell would run if it expanded it. */
const SET = "it's $(touch pwned) `touch pwned`"

interface Stage {
  readonly host: Host
  readonly scripts: string
  readonly env: NodeJS.ProcessEnv
}

let stage: Promise<Stage> | undefined

/** A host with a set of two drives, the three scripts, and the program in PATH. */
function ready(): Promise<Stage> {
  stage ??= (async () => {
    const host = makeHost()
    const [bin, scripts, source] = [tempDir('bin'), tempDir('scripts'), tempDir('source')]
    fs.writeFileSync(
      path.join(bin, 'multivolumecopy'),
      `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`,
      { mode: 0o755 },
    )
    for (const name of ['a', 'b']) fs.writeFileSync(path.join(source, name), 'x'.repeat(900_000))
    for (const name of ['one', 'two']) fs.mkdirSync(path.join(host.cwd, name))
    const size = ['--volume-size', '1500K']
    const copy = [source, '-o', 'one', '-o', 'two', '--set', SET, '--label', 'blue', ...size]
    const made = await host.run(copy)
    if (made.code !== 0) throw new Error(made.stderr)
    for (const name of ['one', 'two', '.mvcopy-jobdata.json']) {
      fs.rmSync(path.join(host.cwd, name), { recursive: true })
    }
    fs.mkdirSync(path.join(host.cwd, 'folder'))
    fs.writeFileSync(path.join(host.cwd, 'file'), '')
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { stdout } = await host.run(['completion', shell])
      fs.writeFileSync(path.join(scripts, shell), stdout)
    }
    const env = { ...host.env, PATH: `${bin}:${host.env.PATH}` }
    return { host, scripts, env: env as NodeJS.ProcessEnv }
  })()
  return stage
}

const BASH = `
source "$1"; shift
COMP_WORDS=(multivolumecopy "$@") COMP_CWORD=$#
_multivolumecopy
printf '%s\\n' "\${COMPREPLY[@]}"
`

const ZSH = `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "source $SETUP"
zpty -w z "$LINE"$'\\t'
while ! { [[ -e $OUT ]] && grep -q '^done$' $OUT }; do zpty -r -t z junk; sleep 0.05; done
zpty -d z
`

/** What a completion would offer is written down on its way to zsh. */
const ZSH_SETUP = `
PROMPT=
autoload -Uz compinit; compinit -u -D
source "$SCRIPT"
compadd() {
  if [[ " $* " != *" -"[OAD]" "* ]]; then
    local -a hits
    builtin compadd -O hits "$@"
    print -rl -- $hits >> $OUT
  fi
  builtin compadd "$@"
}
finish() { print done >> $OUT }
comppostfuncs=(finish)
`

type Shell = 'bash' | 'zsh' | 'fish'

/** What the shell offers for the last of the words. */
async function complete(shell: Shell, words: readonly string[]): Promise<string[]> {
  const { host, scripts, env } = await ready()
  const script = path.join(scripts, shell)
  const options = { cwd: host.cwd, env }
  let text: string
  if (shell === 'bash') {
    text = (await run('bash', ['--norc', '-c', BASH, 'bash', script, ...words], options)).stdout
  } else if (shell === 'fish') {
    const line = `multivolumecopy ${words.join(' ')}`
    const command = `source ${script}; complete -C ${JSON.stringify(line)}`
    const { stdout } = await run('fish', ['--no-config', '-c', command], options)
    text = stdout.replaceAll(/\t.*$/gm, '')
  } else {
    const place = tempDir('zsh')
    const [out, setup] = [path.join(place, 'out'), path.join(place, 'setup')]
    fs.writeFileSync(setup, ZSH_SETUP)
    const LINE = `multivolumecopy ${words.join(' ')}`
    const more = { OUT: out, SETUP: setup, SCRIPT: script, LINE }
    await run('zsh', ['-f', '-c', ZSH], { ...options, env: { ...env, ...more } })
    text = fs.readFileSync(out, 'utf8').replace(/^done$/m, '')
  }
  return [...new Set(text.split('\n').filter((line) => line !== ''))].sort()
}

const QUOTED: Readonly<Record<Shell, string>> = {
  bash: "it\\'s\\ \\$\\(touch\\ pwned\\)\\ \\`touch\\ pwned\\`",
  zsh: SET,
  fish: SET,
}

for (const shell of ['bash', 'zsh', 'fish'] as const) {
  test(`${shell} completes commands, options, choices and files`, async (t) => {
    t.timeout(300_000)
    t.deepEqual(await complete(shell, ['whe']), ['where'])
    t.deepEqual(await complete(shell, ['where', '--re']), ['--regex'])
    t.deepEqual(await complete(shell, ['src', '--digest', 'b']), ['blake3'])
    t.deepEqual(await complete(shell, ['volumes', 're']), ['relabel', 'retire'])
    const places = await complete(shell, ['src', '-o', 'f'])
    t.deepEqual(
      places.map((one) => one.replace(/\/$/, '')),
      ['folder'],
    )
    const sources = await complete(shell, ['copy', 'f'])
    t.deepEqual(
      sources.map((one) => one.replace(/\/$/, '')),
      ['file', 'folder'],
    )
  })

  test(`${shell} completes sets and drives, and runs nothing that is in a name`, async (t) => {
    t.timeout(300_000)
    const { host } = await ready()
    t.deepEqual(await complete(shell, ['status', '--set', '']), [QUOTED[shell]])
    const drives = await complete(shell, ['lost', ''])
    t.deepEqual(
      drives.filter((one) => /^\d/.test(one)),
      ['1', '2'],
    )
    t.deepEqual(await complete(shell, ['volumes', 'retire', '2']), ['2'])
    t.deepEqual(fs.readdirSync(host.cwd).sort(), ['file', 'folder'])
  })
}

test('bash completes after an equals sign, labels, and every option of every command', async (t) => {
  t.timeout(300_000)
  t.deepEqual(await complete('bash', ['x', '--color', '=', 'n']), ['never'])
  t.deepEqual(await complete('bash', ['x', '--color', '=']), ['always', 'auto', 'never'])
  t.true((await complete('bash', ['lost', 'b'])).includes('blue'))
  for (const { name, options } of table()) {
    const all = options.flatMap(({ names }) => names).sort()
    t.deepEqual(await complete('bash', [name, '-']), [...new Set(all)], name)
  }
})

test('what a value is is known of every option that takes one', (t) => {
  const text = new Set<string>()
  for (const { options } of table()) {
    for (const { names, value } of options) {
      if (value === undefined) continue
      t.not(value.name, 'VALUE', names.join())
      if (value.kind.is === 'text') text.add(names.at(-1) ?? '')
    }
  }
  const known = [
    ...['--copies', '--exclude', '--include', '--keep-together', '--label', '--max-delete'],
    ...['--modify-window', '--on-volume-full', '--progress-fd', '--sample', '--select-index'],
    ...['--since', '--volume-size', '--wait-for-volume', '--workers', '--device-startindex'],
    '--device-padding',
  ]
  t.deepEqual(
    [...text].filter((one) => !known.includes(one)),
    [],
  )
})

test('names that could not be typed are left out, a set that is none has no drives', async (t) => {
  const { host } = await ready()
  t.is((await host.run(['completion', 'sets'])).stdout, `${SET}\n`)
  t.is((await host.run(['completion', 'volumes'])).stdout.split('\n').length, 3)
  t.is((await host.run(['completion', 'volumes', 'another'])).stdout, '')
  const wrong = await host.run(['completion', 'tcsh'])
  t.is(wrong.code, 2)
  t.regex(wrong.stderr, /bash, zsh or fish/)
})
