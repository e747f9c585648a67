/**
 * Loads the generated binding; with its siblings here, the only importer of it.
 *
 * Importing this module loads the addon: a file beside the loader where it was built from source, else the
 * platform's own package. When that fails the import rejects with a `NativeLoadError` (`platform.ts`); so
 * what must work without the addon (help, version, usage errors) imports this lazily.
 */

import type * as Binding from '../../native/index.js'
import { explainLoadFailure, NativeLoadError, thisHost } from './platform.js'

/** What the addon exports. */
export type NativeBinding = typeof Binding

/** The addon. */
export const binding: NativeBinding = await load()

async function load(): Promise<NativeBinding> {
  try {
    return await import('../../native/index.js')
  } catch (error) {
    throw new NativeLoadError(explainLoadFailure(error, thisHost()), { cause: error })
  }
}
