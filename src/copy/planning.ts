/** From what has to be copied and the drives there are to a stored plan. */

import type { Catalog } from '../native/set.js'
import { PlanFold } from '../plan/fold.js'
import type { VolumeSpace } from '../plan/ledger.js'
import type { PlanOptions, PlanSummary, UnseenVolumes } from '../plan/page.js'
import type { CopyOptions } from './options.js'

/** Makes a new plan and stores it in the catalog. `spaces` come in order of preference. */
export async function makePlan(
  catalog: Catalog,
  run: number,
  spaces: readonly VolumeSpace[],
  unseen: UnseenVolumes,
  options: PlanOptions,
): Promise<PlanSummary> {
  const fold = new PlanFold(spaces, unseen, options)
  await catalog.plan(run, (page) => fold.page(page))
  return fold.finish()
}

/** What is assumed of drives that nobody has seen: like the largest that there is. */
export function unseenLike(
  spaces: readonly VolumeSpace[],
  options: Pick<CopyOptions, 'volumeSizes'>,
  firstNumber: number,
): UnseenVolumes {
  const largest = spaces.reduce<VolumeSpace | undefined>(
    (best, space) => (best === undefined || space.capacity > best.capacity ? space : best),
    undefined,
  )
  return {
    sizes: options.volumeSizes,
    capacity: largest?.capacity ?? 0,
    blockSize: largest?.blockSize ?? 4096,
    fsType: largest?.fsType ?? '',
    hasLinks: largest?.hasLinks ?? true,
    reserve: largest?.reserve ?? 0,
    firstNumber,
  }
}
