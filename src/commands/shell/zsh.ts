/** The completion script for zsh: to be autoloaded from `$fpath`, or sourced after `compinit`. */
import type { CommandEntry, Kind, OptionEntry } from '../table.js'
import { conditions, quoted } from './words.js'

/** The script, made from the table. */
export function zshScript(commands: readonly CommandEntry[]): string {
  const described = commands.map(
    ({ name, description }) => `    ${quoted(`${name}:${description.replaceAll(':', '\\:')}`)}`,
  )
  const cases = commands.map(({ name, options, words }) => {
    const specs = [...options.map(optionSpec), ...wordSpecs(words)]
    return `    ${name})\n      _arguments -S \\\n${specs.map((spec) => `        ${spec}`).join(' \\\n')}\n      ;;`
  })
  return `#compdef multivolumecopy
# zsh completion for multivolumecopy; made by "multivolumecopy completion zsh"

_multivolumecopy_sets() {
  local -a sets
  sets=(\${(f)"$(_call_program sets \${(q)program} completion sets 2>/dev/null)"})
  compadd -X set -a sets
}

_multivolumecopy_volumes() {
  local -a lines names shown
  local line
  local -a set
  [[ -n \${opt_args[--set]} ]] && set=(\${(Q)opt_args[--set]})
  lines=(\${(f)"$(_call_program volumes \${(q)program} completion volumes \${(q)set} 2>/dev/null)"})
  for line in $lines; do
    names+=(\${line%%$'\\t'*})
    shown+=(\${line/$'\\t'/ -- })
  done
  compadd -X drive -l -d shown -a names
}

_multivolumecopy_commands() {
  local -a commands
  commands=(
${described.join('\n')}
  )
  _describe -t commands command commands
}

_multivolumecopy() {
  local program=$words[1] command=copy
  local curcontext=$curcontext state line
  typeset -A opt_args
  if (( CURRENT > 2 )); then
    case $words[2] in
      ${commands.map(({ name }) => name).join('|')})
        command=$words[2]
        shift words
        (( CURRENT-- ))
        ;;
    esac
  elif [[ $words[2] != -* ]]; then
    _multivolumecopy_commands
  fi
  case $command in
${cases.join('\n')}
  esac
}

if [[ $funcstack[1] == _multivolumecopy ]]; then
  _multivolumecopy "$@"
else
  compdef _multivolumecopy multivolumecopy
fi
`
}

/** `'*'{-o,--output}'[what it is]:DIR:_files -/'`. */
function optionSpec({ names, description, value }: OptionEntry): string {
  const text = description.replace(/[[\]:\\]/g, '\\$&')
  const what =
    value === undefined ? '' : `:${value.name.replaceAll(':', '\\:')}:${action(value.kind)}`
  const tail = quoted(`[${text}]${what}`)
  const [only = '', ...more] = names
  return more.length === 0 ? quoted(`*${only}[${text}]${what}`) : `'*'{${names.join(',')}}${tail}`
}

function wordSpecs(kinds: readonly Kind[]): string[] {
  return conditions(kinds).map(({ test, kind }) =>
    quoted(`${test === '*' ? '*' : Number(test) + 1}:${' '}:${action(kind)}`),
  )
}

function action(kind: Kind): string {
  switch (kind.is) {
    case 'directory':
      return '_files -/'
    case 'file':
      return '_files'
    case 'set':
      return '_multivolumecopy_sets'
    case 'volume':
      return '_multivolumecopy_volumes'
    case 'choice':
      return `(${kind.of.join(' ')})`
    case 'text':
      return ' '
  }
}
