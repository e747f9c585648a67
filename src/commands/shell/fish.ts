/** The completion script for fish 3 and later. */
import type { CommandEntry, Kind, OptionEntry } from '../table.js'

/** The script, made from the table. */
export function fishScript(commands: readonly CommandEntry[]): string {
  const lines = commands.flatMap((command) => {
    const { name, description, options, words } = command
    const isIt = word(`__multivolumecopy_is ${name}`)
    return [
      '',
      `complete -c multivolumecopy -n __multivolumecopy_first -a ${name} -d ${word(description)}`,
      ...options.map((option) => `complete -c multivolumecopy -n ${isIt} ${optionText(option)}`),
      ...words.flatMap((kind, i) => {
        const values = wordText(kind)
        const test = i === words.length - 1 ? `-ge ${i}` : `-eq ${i}`
        const here = word(
          `__multivolumecopy_is ${name}; and test (__multivolumecopy_count) ${test}`,
        )
        return values === '' ? [] : [`complete -c multivolumecopy -n ${here} ${values}`]
      }),
    ]
  })
  const valued = [
    ...new Set(
      commands.flatMap(({ options }) =>
        options.flatMap(({ names, value }) => (value === undefined ? [] : names)),
      ),
    ),
  ]
  return `# fish completion for multivolumecopy; made by "multivolumecopy completion fish"

set -g __multivolumecopy_commands ${commands.map(({ name }) => name).join(' ')}
set -g __multivolumecopy_valued ${valued.join(' ')}

# The words before the one in hand, without the program.
function __multivolumecopy_words
  set -l words (commandline -opc)
  set -e words[1]
  set -q words[1]; and printf '%s\\n' $words
end

function __multivolumecopy_first
  test (count (__multivolumecopy_words)) -eq 0
end

# Whether this is the command in hand; without one it is copy.
function __multivolumecopy_is
  set -l words (__multivolumecopy_words)
  if set -q words[1]; and contains -- $words[1] $__multivolumecopy_commands
    test $words[1] = $argv[1]
  else
    test copy = $argv[1]
  end
end

# How many arguments stand before the word in hand.
function __multivolumecopy_count
  set -l words (__multivolumecopy_words)
  if set -q words[1]; and contains -- $words[1] $__multivolumecopy_commands
    set -e words[1]
  end
  set -l count 0
  set -l skip 0
  for one in $words
    if test $skip -eq 1
      set skip 0
    else if contains -- $one $__multivolumecopy_valued
      set skip 1
    else if not string match -q -- '-*' $one
      set count (math $count + 1)
    end
  end
  echo $count
end

function __multivolumecopy_sets
  set -l words (commandline -opc)
  $words[1] completion sets 2>/dev/null
end

function __multivolumecopy_volumes
  set -l words (commandline -opc)
  set -l at (contains -i -- --set $words)
  set -l set
  if test -n "$at"
    set set $words[(math $at + 1)]
  end
  $words[1] completion volumes $set 2>/dev/null
end

complete -c multivolumecopy -e
complete -c multivolumecopy -f
${lines.join('\n')}
`
}

/** `-s o -l output -x -a '(…)' -d 'what it is'`. */
function optionText({ names, description, value }: OptionEntry): string {
  const written = names.map((name) => {
    if (name.startsWith('--')) return `-l ${name.slice(2)}`
    return name.length === 2 ? `-s ${name.slice(1)}` : `-o ${name.slice(1)}`
  })
  const takes = value === undefined ? [] : [valueText(value.kind)]
  return [...written, ...takes, `-d ${word(description)}`].join(' ')
}

function valueText(kind: Kind): string {
  if (kind.is === 'file') return '-r -F'
  const words = wordText(kind)
  return words === '' ? '-x' : `-x ${words}`
}

function wordText(kind: Kind): string {
  switch (kind.is) {
    case 'directory':
      return `-a '(__fish_complete_directories)'`
    case 'file':
      return '-F'
    case 'set':
      return `-a '(__multivolumecopy_sets)'`
    case 'volume':
      return `-a '(__multivolumecopy_volumes)'`
    case 'choice':
      return `-a ${word(kind.of.join(' '))}`
    case 'text':
      return ''
  }
}

/** A word in single quotes, as fish reads it. */
function word(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
