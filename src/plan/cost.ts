/** What an entry costs on a volume. */
import type { VolumeSpace } from './ledger.js'

export interface CostModel {
  /** Bytes that a volume costs by itself. */
  readonly fixed: number
  /** Inodes that a volume costs by itself. */
  readonly fixedInodes: number
}

export function costModel(_space: VolumeSpace): CostModel {
  return { fixed: 0, fixedInodes: 0 }
}
