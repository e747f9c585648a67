/**
 * `completion`: what makes a shell complete this program's command line.
 *
 * The scripts are made from the table of commands. Only names of sets and drives are asked for when they are
 * wanted: the script calls `completion sets` and `completion volumes`, which only read.
 */
import { Command, Option } from 'clipanion'
import { usageError } from '../errors.js'
import { Exit, type ExitCode } from '../exit.js'
import { type CommandFacts, RunCommand, TALK_VALUES } from './base.js'

export class CompletionCommand extends RunCommand {
  static override paths = [['completion']]

  static override usage = Command.Usage({
    description: 'Print a script that makes a shell complete the command line.',
    details: `
      It completes commands, options, files and directories, and the names of the sets and drives that this host knows.

      bash, for all users: the file goes to /etc/bash_completion.d/; for one: to ~/.local/share/bash-completion/completions/multivolumecopy. zsh: to a directory of $fpath, as _multivolumecopy. fish: to ~/.config/fish/completions/multivolumecopy.fish.

      "completion sets" and "completion volumes [SET]" print what these scripts ask for: names of sets; numbers of drives, a tab and their labels.
    `,
    examples: [
      ['In this bash only', 'source <($0 completion bash)'],
      ['In each zsh', '$0 completion zsh > "$' + '{fpath[1]}/_multivolumecopy"'],
      ['In each fish', '$0 completion fish > ~/.config/fish/completions/$0.fish'],
    ],
  })

  static readonly facts: CommandFacts = {
    forms: ['completion bash|zsh|fish'],
    values: TALK_VALUES,
    exits: [Exit.ok, Exit.usage, Exit.internal],
  }

  words = Option.Rest({ name: 'bash|zsh|fish' })

  protected override async run(): Promise<ExitCode> {
    const [what, ...more] = this.words
    const most = what === 'volumes' ? 1 : 0
    if (more.length > most) throw usageError('one shell at a time')
    switch (what) {
      case 'bash':
      case 'zsh':
      case 'fish':
        return this.script(what)
      case 'sets':
      case 'volumes': {
        const { knownNames } = await import('../query/names.js')
        const lines = knownNames(what, more[0], this.context)
        this.context.stdout.write(lines.map((line) => `${line}\n`).join(''))
        return Exit.ok
      }
      default:
        throw usageError(
          what === undefined ? 'no shell' : `no completion for ${JSON.stringify(what)}`,
          'Say which shell it is for: bash, zsh or fish.',
        )
    }
  }

  private async script(shell: 'bash' | 'zsh' | 'fish'): Promise<ExitCode> {
    const [{ table }, { bashScript }, { zshScript }, { fishScript }] = await Promise.all([
      // biome-ignore lint/suspicious/noImportCycles: the table has all commands, this one too
      import('../cli.js'),
      import('./shell/bash.js'),
      import('./shell/zsh.js'),
      import('./shell/fish.js'),
    ])
    const make = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell]
    this.context.stdout.write(make(table()))
    return Exit.ok
  }
}
