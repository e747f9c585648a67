/**
 * A small backup that can be set back, cut off at any call, looked at, and finished.
 *
 * The source has two versions; the drives hold the first one (or nothing), and foreign files. Every run
 * is one of the second version, with `-w 1`, so that its calls come in the same order each time.
 */

import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Host, makeHost, type RunResult } from '../helpers/cli.js'
import { differences } from '../helpers/compare.js'
import { type Drive, type FileSystem, MiB, makeDrive } from '../helpers/drives.js'
import { sh, tempDir } from '../helpers/temp.js'
import { type Seen, walk } from '../helpers/walk.js'
import { type Call, injecting, readCalls, type Target, tracing } from './strace.js'

const epochs = fileURLToPath(new URL('epochs.mjs', import.meta.url))

/** What a scene is made of. */
export interface SceneOptions {
  /** The drives; default one tmpfs. */
  readonly drives?: readonly FileSystem[]
  /** Whether the first version is on the drives already; default false. */
  readonly update?: boolean
  /** Whether a directory of the first version has another name in the second. Default false. */
  readonly renamed?: boolean
  /** Every file a group of its own? Default false: all files one group. */
  readonly eachFile?: boolean
  /** Files that make it too much for one drive of 800 kB. Default false. */
  readonly bulk?: boolean
  /** A file for which space is claimed first. Default false. */
  readonly large?: boolean
  /** Further arguments. */
  readonly args?: readonly string[]
}

/** Empties each first directory of its arguments and fills it with what the one after it holds. */
const RESET = `for (( ; $#; )); do
  find "$1" -mindepth 1 -not -path '*/lost+found' -delete
  cp -a "$2/." "$1"
  shift 2
done`

/** What a drive must not lose: files by path, with their inodes. */
export type Promised = ReadonlyMap<string, string>

export class Scene {
  readonly host: Host
  readonly source: string
  readonly drives: readonly Drive[]
  readonly #args: readonly string[]
  readonly #env: Record<string, string>
  readonly #saved: string
  readonly #log: string
  /** What may stand under a name: digests and symlink targets of both versions, and of foreign files. */
  readonly #good = new Map<string, Set<string>>()
  /** The second version, and the foreign files of each drive. */
  readonly #foreign = new Map<string, string>()

  private constructor(options: SceneOptions) {
    const top = tempDir('scene')
    this.host = makeHost()
    this.source = path.join(top, 'source')
    this.#saved = path.join(top, 'saved')
    this.#log = path.join(top, 'log')
    this.drives = (options.drives ?? ['tmpfs']).map((kind) =>
      makeDrive({ fs: kind, size: sizes[kind] }),
    )
    const outputs = this.drives.flatMap((drive) => ['-o', drive.path])
    this.#args = [this.source, ...outputs, '-w', '1', '-y', '--delete', ...(options.args ?? [])]
    this.#env = options.eachFile ? { NODE_OPTIONS: `--import=${epochs}` } : {}
  }

  /** Makes the scene and saves its first state. */
  static async make(options: SceneOptions = {}): Promise<Scene> {
    const scene = new Scene(options)
    firstVersion(scene.source)
    if (options.renamed) toBeRenamed(scene.source)
    scene.drives.forEach((drive, n) => {
      // On a drive without anything of ours below it, the directory would be foreign too.
      const names = n === 0 ? ['theirs-0', 'kept/theirs'] : [`theirs-${n}`]
      fs.mkdirSync(path.join(drive.path, path.dirname(names.at(-1) ?? '')), { recursive: true })
      for (const name of names) {
        fs.writeFileSync(path.join(drive.path, name), `foreign ${name}`)
        scene.#foreign.set(name, path.join(drive.path, name))
      }
    })
    scene.#remember(scene.source)
    for (const drive of scene.drives) scene.#remember(drive.path)
    if (options.update) {
      const first = await scene.run()
      if (first.code !== 0) throw new Error(`the first run: ${first.stderr}`)
    }
    secondVersion(scene.source)
    if (options.renamed) {
      fs.renameSync(path.join(scene.source, 'was'), path.join(scene.source, 'new/is'))
      fs.renameSync(path.join(scene.source, 'new/is/up'), path.join(scene.source, 'down'))
    }
    if (options.bulk) {
      for (let n = 0; n < 4; n += 1) write(scene.source, `bulk/${n}`, Buffer.alloc(150_000, `${n}`))
    }
    if (options.large) write(scene.source, 'bulk/large', Buffer.alloc(1_200_000, 'large '))
    scene.#remember(scene.source)
    scene.save()
    return scene
  }

  #remember(root: string): void {
    for (const entry of walk(root, { ignore: ignored })) {
      const key = entry.path.toString()
      const known = this.#good.get(key) ?? new Set<string>()
      this.#good.set(key, known.add(contentOf(entry)))
    }
  }

  /** Saves what the drives and the host hold now, for `reset`. */
  save(): void {
    fs.rmSync(this.#saved, { recursive: true, force: true })
    fs.mkdirSync(this.#saved)
    this.#places().forEach((place, n) => {
      sh('cp', '-a', `${place}/.`, path.join(this.#saved, String(n)))
    })
  }

  /** Back to what was saved last; by one program, since this process is large and starting one takes long. */
  reset(): void {
    const pairs = this.#places().flatMap((place, n) => [place, path.join(this.#saved, String(n))])
    sh('bash', '-euc', RESET, 'reset', ...pairs)
  }

  #places(): string[] {
    return [this.host.state, this.host.cwd, ...this.drives.map((drive) => drive.path)]
  }

  run(
    under: readonly string[] = [],
    args: readonly string[] = [],
    env: Record<string, string> = this.#env,
  ): Promise<RunResult> {
    return this.host.run([...this.#args, ...args], { under, env })
  }

  /** Runs it undisturbed and gives its calls; the state is the saved one before and after. */
  async calls(
    names?: readonly string[],
    roots: readonly string[] = this.drives.map((drive) => drive.path),
  ): Promise<Call[]> {
    this.reset()
    const run = await this.run(tracing(this.#log, names))
    if (run.code !== 0) throw new Error(`an undisturbed run: ${run.stderr}`)
    const calls = readCalls(this.#log, roots)
    this.reset()
    return calls
  }

  /** Runs it and kills it at the target. */
  async kill(target: Target): Promise<void> {
    const run = await this.run(injecting(target, 'signal=SIGKILL', this.#log))
    if (run.signal !== 'SIGKILL') {
      throw new Error(`not killed at ${target.call.line}: ${run.code} ${run.stderr}`)
    }
  }

  /** Runs it with a call that fails, with what `--json` prints. */
  fail(target: Target, error: string, forEver: boolean): Promise<RunResult> {
    return this.run(injecting(target, `error=${error}`, this.#log, forEver), ['--json'])
  }

  /** Runs it with a call that fails, and gives its calls; of a failed one the line says INJECTED. */
  async failTraced(
    target: Target,
    error: string,
    forEver: boolean,
    names: readonly string[],
  ): Promise<{ run: RunResult; calls: Call[] }> {
    const when = `${target.nth}${forEver ? '+' : ''}`
    const inject = ['-e', `inject=${target.call.name}:error=${error}:when=${when}`]
    const run = await this.run([...tracing(this.#log, names), ...inject], ['--json'])
    return {
      run,
      calls: readCalls(
        this.#log,
        this.drives.map((drive) => drive.path),
      ),
    }
  }

  /** What stands under a final name and is neither an old nor a new version in full. */
  torn(): string[] {
    const lists = this.drives.flatMap((drive) => tornList(drive.path))
    const files = this.drives.flatMap((drive) =>
      Array.from(walk(drive.path, { ignore: ignored })).flatMap((entry) => {
        const name = entry.path.toString()
        const good = this.#good.get(name)?.has(contentOf(entry))
        return name === '' || good ? [] : [`${name}: ${contentOf(entry)}`]
      }),
    )
    return [...lists, ...files]
  }

  /** The files of the second version that the drives have been promised to hold already. */
  promised(): Promised {
    const promised = new Map<string, string>()
    for (const drive of this.drives) {
      const own = path.join(drive.path, '.mvcopy')
      const paths = new Set([...manifestPaths(own), ...durablePaths(own)])
      for (const name of paths) {
        const [source, standing] = [path.join(this.source, name), path.join(drive.path, name)]
        if (!sameFile(source, standing)) continue
        promised.set(standing, `${fs.lstatSync(standing).ino}`)
      }
    }
    return promised
  }

  /** Since when each drive says that it is complete. */
  closedDates(): (string | undefined)[] {
    return this.drives.map((drive) => closedDate(drive.path))
  }

  /** Where the drives' own lists and what stands on them disagree. */
  listFaults(): string[] {
    return this.drives.flatMap((drive) => sumsFaults(drive.path))
  }

  /** How the drives together differ from the source. */
  missing(): string[] {
    const faults: string[] = []
    const roots = this.drives.map((drive) => drive.path)
    const foreign = new Set(this.#foreign.keys())
    for (const line of differences(this.source, roots)) {
      const name = /^too much: (\S+)/.exec(line)?.[1]?.replace(/^\.\//, '')
      if (name === undefined || !foreign.has(name)) faults.push(line)
    }
    return faults
  }

  /** What is not as it should be after a run that said that all is done. */
  faults(promised: Promised): string[] {
    const faults = this.missing()
    for (const [name, at] of this.#foreign) {
      const text = fs.existsSync(at) ? fs.readFileSync(at, 'utf8') : 'gone'
      if (text !== `foreign ${name}`) faults.push(`the foreign ${at}: ${text}`)
    }
    for (const [standing, inode] of promised) {
      const now = fs.lstatSync(standing, { throwIfNoEntry: false })?.ino
      if (`${now}` !== inode) faults.push(`copied again although promised: ${standing}`)
    }
    for (const drive of this.drives) faults.push(...closedFaults(drive.path))
    return faults
  }
}

const sizes: Record<FileSystem, number> = {
  tmpfs: 16 * MiB,
  ext4: 16 * MiB,
  xfs: 32 * MiB,
  btrfs: 32 * MiB,
  exfat: 16 * MiB,
  ntfs: 16 * MiB,
}

const ignored = ['.mvcopy', 'START-HERE.html', 'lost+found']

function contentOf(entry: Seen): string {
  return entry.kind === 'symlink' ? `-> ${entry.target}` : (entry.digest ?? entry.kind)
}

/** What a drive that is complete must have: an intact list of sums, its date, and nothing in flight. */
function closedFaults(root: string): string[] {
  const own = path.join(root, '.mvcopy')
  if (!fs.existsSync(own)) return []
  const faults: string[] = []
  const rest = fs.readdirSync(own).sort().join()
  if (rest !== 'README.txt,SHA256SUMS,catalog.jsonl,manifest.jsonl,volume.json') {
    faults.push(`left over: ${rest}`)
  }
  if (closedDate(root) === undefined) faults.push('volume.json does not say closed')
  return [...faults, ...sumsFaults(root)]
}

/** The list of the set on a drive is a whole one, the old or the new, or there is none. */
function tornList(root: string): string[] {
  const file = path.join(root, '.mvcopy/catalog.jsonl')
  if (!fs.existsSync(file)) return []
  const text = fs.readFileSync(file)
  const body = text.subarray(0, text.lastIndexOf('\n', text.length - 2) + 1)
  const said = /"sha256":"([0-9a-f]{64})"\}\n$/.exec(text.subarray(body.length).toString())?.[1]
  const found = createHash('sha256').update(body).digest('hex')
  return said === found ? [] : [`the list of the set on ${root} is torn`]
}

function sumsFaults(root: string): string[] {
  const sums = path.join('.mvcopy', 'SHA256SUMS')
  const size = fs.statSync(path.join(root, sums), { throwIfNoEntry: false })?.size ?? 0
  if (size === 0) return []
  try {
    sh('env', '-C', root, 'sha256sum', '-c', '--quiet', sums)
    return []
  } catch (error) {
    return [`sha256sum: ${String(error)}`]
  }
}

/** The date in volume.json at which the drive was complete. */
export function closedDate(root: string): string | undefined {
  const file = path.join(root, '.mvcopy', 'volume.json')
  if (!fs.existsSync(file)) return undefined
  return (JSON.parse(fs.readFileSync(file, 'utf8')) as { closed?: string }).closed ?? undefined
}

function manifestPaths(own: string): string[] {
  const file = path.join(own, 'manifest.jsonl')
  if (!fs.existsSync(file)) return []
  return fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as { path?: string; kind?: string }]))
    .flatMap(({ path: name, kind }) => (name === undefined || kind === 'dir' ? [] : [name]))
}

interface JournalRecord {
  record: string
  id?: number
  item?: { path: string; kind?: string }
  ids?: ([number, number] | number)[]
  through?: number
}

/** What the journal promises: carried out, and covered by a barrier. */
function durablePaths(own: string): string[] {
  const file = path.join(own, 'journal.log')
  if (!fs.existsSync(file)) return []
  const intents = new Map<number, string>()
  const done = new Set<number>()
  const durable: string[] = []
  for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
    const json = /^\d+ [0-9a-f]{8} (\{.*\})$/.exec(line)?.[1]
    if (json === undefined) continue
    const record = JSON.parse(json) as JournalRecord
    if (/^(intent|moving)$/.test(record.record) && record.id !== undefined && record.item) {
      if (record.item.kind !== 'dir') intents.set(record.id, record.item.path)
    }
    for (const range of record.ids ?? []) {
      const [first, last] = typeof range === 'number' ? [range, range] : range
      for (let id = first; id <= last; id += 1) done.add(id)
    }
    for (const id of done) {
      if (id > (record.through ?? 0)) continue
      const name = intents.get(id)
      if (name !== undefined) durable.push(name)
    }
  }
  return durable
}

function sameFile(source: string, standing: string): boolean {
  const [a, b] = [source, standing].map((file) => fs.lstatSync(file, { throwIfNoEntry: false }))
  if (a === undefined || b === undefined) return false
  if (a.isSymbolicLink() && b.isSymbolicLink()) {
    return fs.readlinkSync(source) === fs.readlinkSync(standing)
  }
  return a.isFile() && b.isFile() && fs.readFileSync(source).equals(fs.readFileSync(standing))
}

const past = new Date('2020-02-02T02:02:02.123Z')

function write(root: string, name: string, content: string | Buffer, at = past): void {
  const file = path.join(root, name)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, content)
  fs.utimesSync(file, at, at)
}

function firstVersion(root: string): void {
  write(root, 'kept/a', 'kept a')
  write(root, 'kept/b', Buffer.alloc(5000, 'b'))
  write(root, 'changed/longer', 'old')
  write(root, 'changed/same-size', 'old content')
  write(root, 'changed/linked', 'old file of two names')
  fs.linkSync(path.join(root, 'changed/linked'), path.join(root, 'changed/linked-too'))
  fs.symlinkSync('old-target', path.join(root, 'changed/symlink'))
  write(root, 'gone/file', 'to be removed')
  write(root, 'gone/also', 'to be removed too')
}

function toBeRenamed(root: string): void {
  for (let n = 0; n < 5; n += 1) write(root, `was/${n}`, `renamed ${n}`)
  write(root, 'was/two', 'of two names')
  fs.linkSync(path.join(root, 'was/two'), path.join(root, 'was/too'))
  fs.symlinkSync('0', path.join(root, 'was/symlink'))
  fs.mkdirSync(path.join(root, 'was/empty'))
  write(root, 'was/up', 'elsewhere')
}

function secondVersion(root: string): void {
  const later = new Date('2021-03-03T03:03:03.456Z')
  write(root, 'changed/longer', Buffer.alloc(300_000, 'new longer '), later)
  write(root, 'changed/same-size', 'new content', later)
  fs.rmSync(path.join(root, 'changed/linked'))
  fs.rmSync(path.join(root, 'changed/linked-too'))
  write(root, 'changed/linked', 'new file of two names', later)
  fs.linkSync(path.join(root, 'changed/linked'), path.join(root, 'changed/linked-too'))
  fs.rmSync(path.join(root, 'changed/symlink'))
  fs.symlinkSync('new-target', path.join(root, 'changed/symlink'))
  fs.rmSync(path.join(root, 'gone'), { recursive: true })
  write(root, 'new/deep/down/file', 'far below')
  write(root, 'new/empty', '')
  fs.mkdirSync(path.join(root, 'new/empty-directory'))
  write(root, 'new/holes', 'x')
  fs.truncateSync(path.join(root, 'new/holes'), 600_000)
}
