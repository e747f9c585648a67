/**
 * The completion script for bash 4 and later. Needs nothing of the package bash-completion.
 *
 * No word that comes from a catalog or a directory is ever expanded by the shell.
 */
import type { CommandEntry, Kind } from '../table.js'
import { conditions, quoted } from './words.js'

/** The script, made from the table. */
export function bashScript(commands: readonly CommandEntry[]): string {
  const options = commands.map(
    ({ name, options: all }) =>
      `    ${name}) echo ${quoted(all.flatMap((one) => one.names).join(' '))} ;;`,
  )
  const values = commands.flatMap(({ name, options: all }) =>
    all.flatMap(({ names, value }) =>
      value === undefined
        ? []
        : [
            `    ${names.map((one) => `${name}:${one}`).join('|')}) echo ${kindText(value.kind)} ;;`,
          ],
    ),
  )
  const words = commands.flatMap(({ name, words: all }) =>
    conditions(all).map(({ test, kind }) => `    ${name}:${test}) echo ${kindText(kind)} ;;`),
  )
  return `# bash completion for multivolumecopy; made by "multivolumecopy completion bash"

_multivolumecopy_options() {
  case $1 in
${options.join('\n')}
  esac
}

# What the value of an option is: COMMAND:OPTION. Nothing: it takes none.
_multivolumecopy_value() {
  case $1 in
${values.join('\n')}
  esac
}

# What an argument is: COMMAND:N.
_multivolumecopy_word() {
  case $1 in
${words.join('\n')}
  esac
}

# Those of the lines on stdin that begin with $1, quoted for the command line.
_multivolumecopy_matching() {
  local line
  while IFS= read -r line; do
    [[ $line == "$1"* ]] && COMPREPLY+=("$(printf '%q' "$line")")
  done
}

_multivolumecopy_files() {
  local line
  compopt -o filenames 2>/dev/null
  while IFS= read -r line; do
    COMPREPLY+=("$line")
  done < <(compgen "$1" -- "$2")
}

# Completes $2, which is a thing of the kind $1.
_multivolumecopy_kind() {
  case $1 in
    directory) _multivolumecopy_files -d "$2" ;;
    file) _multivolumecopy_files -f "$2" ;;
    set) _multivolumecopy_matching "$2" < <("$program" completion sets 2>/dev/null) ;;
    volume)
      _multivolumecopy_matching "$2" < <("$program" completion volumes "\${set[@]}" 2>/dev/null | tr '\\t' '\\n')
      ;;
    choice:*) _multivolumecopy_matching "$2" <<<"$(tr ',' '\\n' <<<"\${1#choice:}")" ;;
  esac
}

_multivolumecopy() {
  local program=\${COMP_WORDS[0]} current=\${COMP_WORDS[COMP_CWORD]} command=copy first=1
  local i word before='' kind count=0 only_words='' set=()
  COMPREPLY=()
  if ((COMP_CWORD > 1)) && [[ -n $(_multivolumecopy_options "\${COMP_WORDS[1]}") ]]; then
    command=\${COMP_WORDS[1]} first=2
  fi
  # "--set=x" comes as three words: "--set", "=", "x".
  [[ $current == = ]] && current=
  for ((i = first; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    [[ $word == = ]] && continue
    if [[ -n $before ]]; then
      [[ $before == --set ]] && set=("$word")
      before=
    elif [[ -z $only_words && $word == -- ]]; then
      only_words=1
    elif [[ -z $only_words && $word == -?* ]]; then
      [[ -n $(_multivolumecopy_value "$command:$word") ]] && before=$word
    else
      count=$((count + 1))
    fi
  done
  if [[ -n $before ]]; then
    _multivolumecopy_kind "$(_multivolumecopy_value "$command:$before")" "$current"
    return
  fi
  if [[ -z $only_words && $current == -* ]]; then
    _multivolumecopy_matching "$current" <<<"$(_multivolumecopy_options "$command" | tr ' ' '\\n')"
    return
  fi
  if ((COMP_CWORD == 1)); then
    _multivolumecopy_matching "$current" <<<${quoted(commands.map(({ name }) => name).join('\n'))}
  fi
  kind=$(_multivolumecopy_word "$command:$count")
  _multivolumecopy_kind "$kind" "$current"
}

complete -F _multivolumecopy multivolumecopy
`
}

/** A kind as one word. */
function kindText(kind: Kind): string {
  return kind.is === 'choice' ? quoted(`choice:${kind.of.join(',')}`) : kind.is
}
