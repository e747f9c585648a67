/** What the commands share that are about a set and are given no sources: which set it is. */

import { Option } from 'clipanion'
import { Exit, type ExitCode } from '../exit.js'
import type { TalkOptions } from '../report/talk.js'
import type { SetClues } from '../set/find.js'
import { RunCommand, TALK_VALUES } from './base.js'
import { namedOption, pathOption } from './values.js'

/** The names of the values of the shared options. */
export const SET_VALUES = {
  ...TALK_VALUES,
  '--output': 'DIR',
  '--set': 'NAME',
  '--catalog': 'FILE',
} as const

/** How a set is found, for the help of each of these commands. */
export const SET_HELP =
  'The set is the one of --set, of --catalog or of the drive at -o; with none of them it is the only one that this host knows.'

/** The exit codes that each of these commands can give. */
export const SET_EXITS: readonly ExitCode[] = [
  Exit.ok,
  Exit.usage,
  Exit.needed,
  Exit.catalog,
  Exit.driveFailed,
  Exit.internal,
  Exit.interrupted,
]

/** Whether `-v` or `-vv` asks for all there is to say. */
export function isLoud({ verbosity }: TalkOptions): boolean {
  return verbosity === 'verbose' || verbosity === 'debug'
}

/** A command about a set. */
export abstract class SetCommand extends RunCommand {
  output = Option.String('-o,--output', { description: 'where a drive of the set is mounted' })
  setName = Option.String('--set', { description: 'the name of the set' })
  catalog = Option.String('--catalog', { description: "the file that holds the set's catalog" })

  /** What leads to the set, checked. */
  protected clues(): SetClues {
    return {
      output: pathOption('-o', this.output),
      setName: namedOption('--set', this.setName),
      catalog: pathOption('--catalog', this.catalog),
    }
  }
}
