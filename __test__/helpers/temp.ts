/**
 * One temporary directory a test process, and a list of what has to be undone before it goes.
 *
 * Undoing is registered with `undo` and happens in reverse order when the process ends, also by
 * a signal. What a killed process (SIGKILL) leaves behind, mounts and loop devices included, is
 * swept by the next process that asks for a temporary directory: the owner's pid is in the name.
 */

import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'

const prefix = 'mvcopy-test-'
const undoing: (() => void)[] = []
/** This process's own directory in each place. */
const tops = new Map<string, string>()
let count = 0

/** Whether tests may mount things. */
export const isRoot = process.getuid?.() === 0

/** Makes a fresh empty directory below this process's own; `label` makes its path readable. */
export function tempDir(label = 'dir'): string {
  return dirIn(os.tmpdir(), label)
}

/** The same in memory, where `npm test` has found much of it: for images of drives, so that no disk is waited for. */
export function memoryDir(label = 'dir'): string {
  return dirIn(process.env.MVCOPY_TEST_MEMORY ?? os.tmpdir(), label)
}

/** Registers something to be undone at the end of the process; undone twice must do no harm. */
export function undo(step: () => void): void {
  undoing.push(step)
}

/** Runs a program and gives its stdout; a failure carries the program's stderr. */
export function sh(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** The mount points at or below a directory, deepest first. */
export function mountsBelow(directory: string): string[] {
  const table = fs.readFileSync('/proc/self/mountinfo', 'latin1')
  return table
    .split('\n')
    .map((line) => unescapeOctal(line.split(' ')[4] ?? ''))
    .filter((point) => point === directory || point.startsWith(`${directory}/`))
    .reverse()
}

function dirIn(place: string, label: string): string {
  const top = tops.get(place) ?? makeTop(place)
  count += 1
  const made = path.join(top, `${label}-${count}`)
  fs.mkdirSync(made)
  return made
}

function makeTop(place: string): string {
  sweep(place)
  const made = fs.mkdtempSync(path.join(fs.realpathSync(place), `${prefix}${process.pid}-`))
  tops.set(place, made)
  if (tops.size > 1) return made
  process.on('exit', () => {
    for (const step of undoing.reverse()) attempt(step)
    for (const top of tops.values()) removeAll(top)
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // The default action would end the process without an 'exit' event.
    process.once(signal, () => process.exit(1))
  }
  return made
}

function removeAll(directory: string): void {
  for (const point of mountsBelow(directory)) {
    if (spawnSync('umount', [point]).status !== 0) spawnSync('umount', ['-l', point])
  }
  // Never into a mount that would not go: what is on it may be a source of this machine.
  if (mountsBelow(directory).length > 0) return
  // rm goes by descriptor: Node's own cannot remove what lies deeper than PATH_MAX.
  attempt(() => sh('rm', '-rf', '--one-file-system', directory))
}

function sweep(place: string): void {
  for (const name of fs.readdirSync(place)) {
    const pid = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1]
    if (!pid || isAlive(Number(pid))) continue
    const left = path.join(fs.realpathSync(place), name)
    if (fs.lstatSync(left).uid !== process.getuid?.()) continue
    const loops = isRoot ? sh('losetup', '-l', '-n', '-O', 'NAME,BACK-FILE').split('\n') : []
    removeAll(left)
    for (const line of loops) {
      const [device = '', file = ''] = line.split(/\s+/)
      if (file.startsWith(`${left}/`)) spawnSync('losetup', ['-d', device])
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function attempt(step: () => void): void {
  try {
    step()
  } catch (error) {
    process.stderr.write(`clean-up after tests: ${(error as Error).message}\n`)
  }
}

function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )
}
