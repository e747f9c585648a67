/**
 * How a plan reads for people: what is to be copied, and a line a drive, with a bar of how full it gets
 * where there is a terminal. Pure: facts in, lines out.
 */
import stringWidth from 'fast-string-width'
import { counted, formatCount, formatSize } from '../size.js'
import { cut } from '../text.js'
import type { PlanEvent, PlannedVolume } from './reporter.js'
import { type DisplayName, durationText, type Line, volumeText, waitingLines } from './words.js'

/** What bars may be drawn with. */
export interface Canvas {
  /** Columns of a line. */
  readonly width: number
  /** Block characters may be used. */
  readonly blocks: boolean
}

/** Drives of one kind that are told one by one; a small first drive makes many estimated ones. */
const UNSEEN_TOLD = 5
/** Columns of a bar, and with less than that there is none. */
const BAR = 24
const BAR_LEAST = 8

/** The plan as lines; bars where there is a canvas. */
export function planLines(plan: PlanEvent, name: DisplayName, canvas?: Canvas): Line[] {
  const lines = [strong(summary(plan))]
  const unseen = plan.volumes.filter((volume) => !volume.known)
  const told = plan.volumes.filter((volume) => volume.known || unseen.indexOf(volume) < UNSEEN_TOLD)
  lines.push(...driveLines(told, name, canvas))
  const more = unseen.length - UNSEEN_TOLD
  if (more > 0) lines.push(plain(`  and about ${counted(more, 'drive')} more`))
  if (plan.dryRun === true) lines.push(...needed(plan, name))
  // Of what stays on the drives a sentence was said beforehand, with the same number.
  if (plan.gone > (plan.kept?.files ?? 0))
    lines.push(plain(`${counted(plan.gone, 'file')} gone from the source`))
  if (plan.removed !== undefined && plan.removed.files > 0) {
    lines.push(plain(`  ${amount(plan.removed)} to be removed from the drives as they come in`))
  }
  if (plan.dryRun === true) lines.push(...waitingLines(plan.waiting ?? [], name))
  if (plan.unreadable > 0) {
    lines.push(warning(`${counted(plan.unreadable, 'entry', 'entries')} could not be looked at`))
  }
  for (const volume of plan.volumes) lines.push(...refusals(volume, name))
  if (plan.unplaced.files > 0) {
    lines.push(warning(`${amount(plan.unplaced)} will not fit on any drive`))
  }
  return lines
}

function summary(plan: PlanEvent): string {
  const copies = plan.copies === undefined ? '' : `, in ${counted(plan.copies, 'copy', 'copies')}`
  const parts = [`${amount(plan)} to copy${copies}`]
  const sized = (count: number, bytes: number | undefined): string =>
    plan.dryRun === true && bytes !== undefined
      ? `${formatCount(count)} (${formatSize(bytes)})`
      : formatCount(count)
  if (
    plan.dryRun === true &&
    plan.new !== undefined &&
    plan.new.files > 0 &&
    plan.new.files !== plan.files
  ) {
    parts.push(`${sized(plan.new.files, plan.new.bytes)} new`)
  }
  if (plan.changed > 0) {
    const of = plan.dryRun === true ? '' : ' of them'
    parts.push(`${sized(plan.changed, plan.changedBytes)}${of} changed`)
  }
  if (plan.renamed > 0) parts.push(`${formatCount(plan.renamed)} to be renamed`)
  if (plan.unchanged > 0) parts.push(`${sized(plan.unchanged, plan.unchangedBytes)} unchanged`)
  if (plan.dryRun === true && plan.seconds !== undefined && plan.seconds > 0) {
    parts.push(`about ${durationText(plan.seconds)}`)
  }
  return parts.join(', ')
}

function driveLines(
  volumes: readonly PlannedVolume[],
  name: DisplayName,
  canvas: Canvas | undefined,
): Line[] {
  const heads = volumes.map((volume) => volumeText(volume, name))
  const estimate = canvas === undefined ? ' (not seen yet: an estimate)' : ' (not seen yet)'
  const of = ({ copy }: PlannedVolume): string => (copy === undefined ? '' : `, copy ${copy}`)
  const tails = volumes.map(
    (volume) => `${amount(volume)}${of(volume)}${volume.known ? '' : estimate}`,
  )
  if (canvas === undefined) return heads.map((head, i) => plain(`  ${head}: ${tails[i]}`))
  const widest = Math.max(0, ...heads.map((head) => stringWidth(head)))
  // Long labels give way first, then the bars.
  const column = Math.min(widest, Math.max(12, Math.floor(canvas.width / 3)))
  const tail = Math.max(0, ...tails.map((text) => stringWidth(text)))
  const bar = Math.min(BAR, canvas.width - 2 - column - 2 - ' 100%  '.length - tail)
  return volumes.map((volume, i) => {
    const head = cut(heads[i] as string, column)
    const padded = head + ' '.repeat(column - stringWidth(head))
    const filled = bar < BAR_LEAST ? '' : `  ${fillBar(volume, bar, canvas.blocks)}`
    return plain(`  ${padded}${filled}  ${tails[i]}`)
  })
}

/** A bar of what is used, what is added and what stays free, and how full the drive is then. */
export function fillBar(volume: PlannedVolume, width: number, blocks: boolean): string {
  const { capacity, available, cost = 0 } = volume
  if (capacity === undefined || available === undefined || capacity <= 0) {
    return ' '.repeat(width + 6)
  }
  const share = (bytes: number): number => Math.min(1, Math.max(0, bytes / capacity))
  const before = share(capacity - available)
  const after = share(capacity - available + cost)
  const old = Math.round(before * width)
  // What is added shows, however little it is; a drive that is not full does not look so.
  const most = after < 1 ? width - 1 : width
  const end = Math.max(old, Math.min(most, Math.round(after * width)) || (cost > 0 ? 1 : 0))
  const [was, added, free] = blocks ? ['▓', '█', '░'] : ['=', '#', '.']
  const bar =
    was.repeat(Math.min(old, width)) +
    added.repeat(Math.max(0, end - old)) +
    free.repeat(Math.max(0, width - Math.max(end, old)))
  const percent = Math.min(after < 1 ? 99 : 100, Math.round(after * 100))
  return `${blocks ? bar : `[${bar.slice(0, width - 2)}]`} ${`${percent}%`.padStart(4)}`
}

/** Which drives are to be fetched or bought. */
function needed(plan: PlanEvent, name: DisplayName): Line[] {
  const shelf = plan.volumes.filter(({ known, mounted }) => known && mounted === false)
  const fresh = plan.volumes.filter(({ known }) => !known)
  const lines: Line[] = []
  if (shelf.length > 0) {
    const drives = shelf.map((volume) => volumeText(volume, name)).join(', ')
    lines.push(plain(`to be fetched: ${drives}`))
  }
  const sizes = fresh.flatMap(({ capacity }) => (capacity === undefined ? [] : [capacity]))
  if (sizes.length > 0) {
    const told = [...new Set(sizes)].slice(0, UNSEEN_TOLD).map(formatSize).join(', ')
    const drives = counted(sizes.length, 'new drive')
    const each =
      new Set(sizes).size > 1 ? `of ${told}` : `of ${told}${sizes.length > 1 ? ' each' : ''}`
    lines.push(plain(`new: ${drives} ${each}`))
  }
  if (lines.length === 0 && plan.volumes.length === 0 && plan.unplaced.files === 0) {
    lines.push(plain('no drive is needed'))
  }
  return lines
}

function refusals(volume: PlannedVolume, name: DisplayName): Line[] {
  const lines: Line[] = []
  const drive = volumeText(volume, name)
  const { refusedNames = 0, refused = [], refusedSizes = 0, copiedNames = 0 } = volume
  if (refusedNames > 0) {
    const rest = refusedNames - refused.length
    lines.push(
      plain(
        `${drive}: ${counted(refusedNames, 'name')} that its file system cannot take ${refusedNames === 1 ? 'is' : 'are'} kept there in another form:`,
      ),
      ...refused.map((path) => plain(`  ${name(path)}`)),
      ...(rest > 0 ? [plain(`  and ${formatCount(rest)} more`)] : []),
    )
  }
  if (copiedNames > 0) {
    const become =
      copiedNames === 1 ? 'is written as a file of its own' : 'are written as files of their own'
    lines.push(
      plain(
        `${drive}: ${counted(copiedNames, 'further name')} of hard-linked files ${become}: no hard link can be made there`,
      ),
    )
  }
  if (refusedSizes > 0) {
    lines.push(
      warning(
        `${drive}: ${counted(refusedSizes, 'file')} too large for its file system ${refusedSizes === 1 ? 'goes' : 'go'} elsewhere`,
      ),
    )
  }
  return lines
}

function amount(of: { readonly files: number; readonly bytes: number }): string {
  return `${counted(of.files, 'file')} (${formatSize(of.bytes)})`
}

const plain = (text: string): Line => ({ tone: 'plain', text })
const strong = (text: string): Line => ({ tone: 'strong', text })
const warning = (text: string): Line => ({ tone: 'warning', text })
