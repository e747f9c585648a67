/**
 * The check of a drive against a job file, as the seed does it: `--verify -f JOB -i A -si B -o OUT`.
 *
 * Tells a summary, two checks, and a warning for each entry that is not as it should be; decides the
 * exit code. Nothing is written, neither to the drive nor anywhere else.
 */
import type { RunContext } from '../context.js'
import type { SeedVerifyOptions } from '../copy/options.js'
import { displayName } from '../display.js'
import { UserError, usageError } from '../errors.js'
import { Exit, type ExitCode, mergeExit } from '../exit.js'
import { NativeError } from '../native/errors.js'
import { counts, inHand, type Progress } from '../native/job.js'
import { type SeedFinding, type SeedReport, seedVerify } from '../native/seedverify.js'
import type { Reporter, SummaryEvent } from '../report/reporter.js'
import { counted, formatCount, formatSize } from '../size.js'

/** How far, in parts of the expected size, the backup's may be off and still count as roughly the same. */
const ROUGHLY = 0.03

/** The errors with which a drive that fails or is gone answers. */
const DEVICE_ERRORS = new Set(['EIO', 'ENODEV', 'ENXIO', 'ENOTCONN', 'ESHUTDOWN'])

/** Compares as `options` says and returns the exit code. */
export async function runSeedVerify(
  options: SeedVerifyOptions,
  context: RunContext,
): Promise<ExitCode> {
  const { report: reporter, cwd, stop } = context
  const started = performance.now()
  reporter.phaseStart('verify')
  let found: SeedReport
  try {
    found = await seedVerify(
      {
        jobFile: absolute(cwd, options.jobFile),
        output: absolute(cwd, options.output),
        from: options.startIndex,
        checksum: options.checksum,
        ...(options.endIndex === undefined ? {} : { to: options.endIndex }),
      },
      {
        signal: stop.orderly,
        immediate: stop.immediate,
        onProgress: (progress) => reporter.progress(snapshot(progress)),
      },
    )
  } catch (error) {
    reporter.phaseEnd()
    if (!(error instanceof NativeError)) throw error
    if (error.code !== 'CANCELLED') throw explained(error)
    reporter.error('interrupted: not all entries were compared')
    return Exit.interrupted
  }
  reporter.phaseEnd()
  if (found.selected === 0 && found.entries > 0 && options.startIndex >= found.entries) {
    throw usageError(
      `-i ${options.startIndex}: the job file ends with index ${found.entries - 1}`,
      'Nothing was compared.',
    )
  }
  const exit = exitOf(found)
  if (options.json) tellObjects(found, exit, (performance.now() - started) / 1000, reporter)
  else tellPeople(found, options, reporter)
  tellCircumstances(found, options, reporter)
  return exit
}

/** `path` from `cwd` on; symlinks matter to `..`, so nothing of it is taken away here. */
function absolute(cwd: string, path: string): string {
  return path.startsWith('/') ? path : `${cwd}/${path}`
}

function snapshot(progress: Progress) {
  return {
    ...counts(progress),
    errors: progress.errors,
    ...inHand(progress),
  }
}

/** What keeps the check from being made at all, as an error for the user. */
function explained(error: NativeError): Error {
  const { code, message, errnoName } = error
  const user = (exit: ExitCode, hint?: string): UserError =>
    new UserError(message, { exit, hint, cause: error })
  switch (code) {
    case 'BAD_JOB_FILE':
      return user(Exit.usage, 'Nothing was compared.')
    case 'BAD_INPUT':
      return user(Exit.usage, 'Say with -o where the drive is mounted: -o /mnt/usb')
    case 'BAD_FORMAT':
      return user(
        Exit.differences,
        'What the drive says of itself is damaged, or a newer version wrote it. Nothing was compared.',
      )
    case 'DRIVE_FAILED':
      return user(Exit.driveFailed)
    case 'IO':
      if (errnoName !== undefined && DEVICE_ERRORS.has(errnoName)) return user(Exit.driveFailed)
      return user(
        Exit.usage,
        error.doing === 'opening the job file' ? 'Name the job file with -f.' : undefined,
      )
    default:
      return error
  }
}

function exitOf(found: SeedReport): ExitCode {
  const codes: ExitCode[] = [Exit.ok]
  if (faults(found) > 0) codes.push(Exit.differences)
  if (found.driveFailed) codes.push(Exit.driveFailed)
  // A source that is not mounted is not one whose files are all gone: nothing was checked.
  if (sourceIsAbsent(found)) codes.push(Exit.guard)
  return mergeExit(codes)
}

function faults(found: SeedReport): number {
  return found.different + found.missing + found.unreadable
}

function sourceIsAbsent(found: SeedReport): boolean {
  return found.absentRoots.length > 0 && found.compared === 0 && found.gone > 0
}

function sizesMatch({ backupBytes, expectedBytes }: SeedReport): boolean {
  return Math.abs(backupBytes - expectedBytes) <= expectedBytes * ROUGHLY
}

/** The seed's report. */
function tellPeople(found: SeedReport, options: SeedVerifyOptions, reporter: Reporter): void {
  const size = (bytes: number): string => `${formatSize(bytes)} (${counted(bytes, 'byte')})`
  const check = (passed: boolean, text: string): string =>
    `  ${passed ? 'ok    ' : 'FAILED'} ${text}`
  reporter.block([
    'Summary',
    `  volume size:   ${size(found.volumeBytes)}`,
    `  backup size:   ${size(found.backupBytes)}`,
    `  expected size: ${size(found.expectedBytes)} in ${counted(found.compared, 'file')}`,
    'Checks',
    check(faults(found) === 0 && !sourceIsAbsent(found), 'all expected files backed up'),
    check(sizesMatch(found), 'expected size roughly (within 3 %) matches backup size'),
  ])
  // With -q a difference is still told.
  const warn = (text: string): void =>
    options.verbosity === 'quiet' ? reporter.error(text) : reporter.warning(text)
  for (const finding of found.findings) warn(findingText(finding))
  if (found.more > 0) warn(`and ${formatCount(found.more)} more that are not listed`)
  tellElsewhere(found, reporter)
  const parts = [
    [found.different, 'different'],
    [found.missing, 'missing'],
    [found.unreadable, 'could not be compared'],
    [found.gone, 'passed over: gone from the source'],
    [found.elsewhere, 'not on this drive'],
  ] as const
  const told = parts.filter(([n]) => n > 0).map(([n, text]) => `${formatCount(n)} ${text}`)
  reporter.note([`${counted(found.compared, 'file')} looked at`, ...told].join(', '))
}

/** `DIFFERENT [3] /mnt/src/a -> /mnt/usb/a: size: …`. */
function findingText({ kind, index, src, dst, why }: SeedFinding): string {
  return `${kind.toUpperCase()} [${index}] ${displayName(src)} -> ${displayName(dst)}: ${why}`
}

function tellElsewhere(found: SeedReport, reporter: Reporter): void {
  let listed = 0
  for (const { first, last, volume } of found.ranges) {
    const which = first === last ? `[${first}]` : `[${first}] to [${last}]`
    reporter.note(`${which} ${volume === undefined ? 'not on this drive' : `on drive ${volume}`}`)
    listed += last - first + 1
  }
  if (listed < found.elsewhere) {
    reporter.note(`and ${formatCount(found.elsewhere - listed)} more that are not on this drive`)
  }
}

/** One object a finding, and the summary with the seed's figures. */
function tellObjects(found: SeedReport, exit: ExitCode, seconds: number, reporter: Reporter): void {
  for (const { kind, index, src, dst, why } of found.findings) {
    reporter.event({
      type: 'verify-result',
      result: kind,
      path: dst,
      index,
      source: src,
      destination: dst,
      reason: why,
    })
  }
  const nothing = { files: 0, bytes: 0 }
  const summary: SummaryEvent & { readonly verify: object } = {
    type: 'summary',
    exit,
    complete: exit === Exit.ok,
    interrupted: false,
    written: nothing,
    unchanged: found.compared - faults(found),
    renamed: 0,
    removed: 0,
    failed: faults(found),
    vanished: found.gone,
    unplaced: nothing,
    left: nothing,
    waiting: [],
    volumes: found.volume === undefined ? [] : [{ number: found.volume }],
    seconds,
    verify: {
      volumeBytes: found.volumeBytes,
      backupBytes: found.backupBytes,
      expectedBytes: found.expectedBytes,
      allBackedUp: faults(found) === 0 && !sourceIsAbsent(found),
      sizesMatch: sizesMatch(found),
      selected: found.selected,
      compared: found.compared,
      different: found.different,
      missing: found.missing,
      unreadable: found.unreadable,
      gone: found.gone,
      elsewhere: found.elsewhere,
      ranges: found.ranges,
      unlisted: found.more,
    },
  }
  reporter.event(summary)
}

/** What a reader has to know to judge the result. */
function tellCircumstances(
  found: SeedReport,
  options: SeedVerifyOptions,
  reporter: Reporter,
): void {
  if (found.notMounted !== undefined) {
    reporter.warning(`nothing is mounted at ${displayName(found.notMounted)}: is this the drive?`)
  }
  if (sourceIsAbsent(found)) {
    const roots = found.absentRoots.map(displayName).join(', ')
    reporter.error(`nothing was compared: the source is empty or not there (${roots})`)
  } else {
    for (const root of found.absentRoots) {
      reporter.warning(`the source ${displayName(root)} is empty or not there`)
    }
  }
  if (found.driveFailed) reporter.error('the drive answers with errors: it fails, or was unplugged')
  if (found.open) {
    reporter.warning(
      'the drive is still being written: what is not recorded there yet was left out',
    )
  }
  if (!options.checksum) return
  if (found.fuse) {
    reporter.warning(
      'what was read may have come from memory (FUSE): unplug the drive and check it again for a proof',
    )
  }
}
