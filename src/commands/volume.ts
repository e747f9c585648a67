/** The options of `copy --volume K`, out of those of a copy: most have no meaning there and are refused. */

import type { VolumeOptions } from '../copy/volume.js'
import { usageError } from '../errors.js'
import type { CopyCommand } from './copy.js'

/** The options, checked. `given`: which options were given that a copy of sources obeys. */
export function volumeOptions(
  volume: number,
  command: CopyCommand,
  given: readonly string[],
): VolumeOptions {
  const [output, ...others] = command.checkedOutputs()
  const { catalog } = command
  if (command.sources.length > 0) {
    throw usageError(
      '--volume writes a drive of a saved plan, and takes no sources',
      'Leave the sources out: the plan has them.',
    )
  }
  const [useless] = given
  if (useless !== undefined) {
    throw usageError(`${useless} has no meaning with --volume: the plan has been made`)
  }
  if (catalog === undefined) {
    throw usageError(
      '--volume needs a saved plan',
      'Name its file with --catalog; multivolumecopy plan SRC... --volume-size SIZE --save FILE makes one.',
    )
  }
  if (output === undefined || others.length > 0) {
    throw usageError('--volume writes one drive', 'Give one -o.')
  }
  return { ...command.plainOptions(), volume, catalog, outputs: [output] }
}
