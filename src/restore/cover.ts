/**
 * Which drives are read so that few are asked for. Pure.
 *
 * Drives that are mounted cost nothing, and drives that alone hold something are needed in any case. For the
 * rest the drive that serves most of it comes first, and what turns out to be needless is left out again.
 * That is greedy, not the proven minimum, which takes time that grows with 2 to the number of drives.
 */

/** Entries that all of these volumes hold. */
export interface Held {
  readonly volumes: readonly number[]
  readonly entries: number
  readonly files: number
  readonly bytes: number
}

/** A drive that is to be read, and what is taken from it. */
export interface Share {
  readonly volume: number
  readonly entries: number
  readonly files: number
  readonly bytes: number
}

/** The drives to be read: those that are mounted first, then by number. `without`: they will not come. */
export function fewestToRead(
  groups: readonly Held[],
  mounted: ReadonlySet<number>,
  without: ReadonlySet<number>,
): Share[] {
  const open = groups
    .map((group) => ({ ...group, volumes: group.volumes.filter((one) => !without.has(one)) }))
    .filter(({ volumes }) => volumes.length > 0)
  const chosen = new Set<number>()
  for (const { volumes } of open) {
    const [only, second] = volumes
    if (only !== undefined && second === undefined) chosen.add(only)
  }
  const left = (): Held[] =>
    open.filter(({ volumes }) => !volumes.some((one) => chosen.has(one) || mounted.has(one)))
  for (let rest = left(); rest.length > 0; rest = left()) {
    chosen.add(mostUseful(rest))
  }
  for (const one of [...chosen].reverse()) {
    if (!mounted.has(one) && isNeedless(one, open, chosen, mounted)) chosen.delete(one)
  }
  return shares(open, chosen, mounted)
}

/** The volume that serves most of the groups, then most of the bytes, then the lowest number. */
function mostUseful(groups: readonly Held[]): number {
  const use = new Map<number, { groups: number; bytes: number }>()
  for (const { volumes, bytes } of groups) {
    for (const one of volumes) {
      const before = use.get(one) ?? { groups: 0, bytes: 0 }
      use.set(one, { groups: before.groups + 1, bytes: before.bytes + bytes })
    }
  }
  const [best] = [...use].sort(
    ([a, x], [b, y]) => y.groups - x.groups || y.bytes - x.bytes || a - b,
  )
  if (best === undefined) throw new Error('a group without volumes')
  return best[0]
}

function isNeedless(
  volume: number,
  groups: readonly Held[],
  chosen: ReadonlySet<number>,
  mounted: ReadonlySet<number>,
): boolean {
  return groups
    .filter(({ volumes }) => volumes.includes(volume))
    .every(({ volumes }) =>
      volumes.some((one) => one !== volume && (chosen.has(one) || mounted.has(one))),
    )
}

/** What is taken from which drive, in the order in which they are read. */
function shares(
  groups: readonly Held[],
  chosen: ReadonlySet<number>,
  mounted: ReadonlySet<number>,
): Share[] {
  const usable = new Set([...chosen, ...mounted])
  const order = [...usable].sort((a, b) => Number(mounted.has(b)) - Number(mounted.has(a)) || a - b)
  const sums = new Map<number, Share>()
  for (const { volumes, entries, files, bytes } of groups) {
    const volume = order.find((one) => volumes.includes(one))
    if (volume === undefined) continue
    const sum = sums.get(volume) ?? { volume, entries: 0, files: 0, bytes: 0 }
    sums.set(volume, {
      volume,
      entries: sum.entries + entries,
      files: sum.files + files,
      bytes: sum.bytes + bytes,
    })
  }
  return order.flatMap((volume) => sums.get(volume) ?? [])
}
