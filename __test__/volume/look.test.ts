/**
 * Looks at real drives: loop-mounted ext4, tmpfs, exFAT in user space. Needs root, else skipped.
 *
 * Each test mounts below a temporary directory of its own and takes its mounts away again.
 */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { inspect, mounts, type PathFacts } from '../../src/native/volume.js'
import type { JudgeContext } from '../../src/volume/facts.js'
import { describe, describeWarning, look } from '../../src/volume/look.js'

const rootTest = process.getuid?.() === 0 ? test.serial : test.serial.skip

const SET = '0123456789abcdef0123456789abcdef'
const context: JudgeContext = {
  setId: SET,
  known: [],
  justFilledId: null,
  sources: [],
  oneFileSystem: false,
  hadDriveAt: [],
  smallest: 100_000,
  purpose: 'write',
}

function sh(...command: [string, ...string[]]): string {
  const { status, stdout, stderr } = spawnSync(command[0], command.slice(1), { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
  return stdout.trim()
}

/** A directory that is unmounted, as often as something is mounted on it, and removed at the end. */
function place(t: ExecutionContext, parent = os.tmpdir()): string {
  const dir = fs.mkdtempSync(path.join(parent, 'mvc-look-'))
  t.teardown(() => {
    // Lazily: anything on the machine that looks at all mounts (df, say) makes one busy for a moment.
    while (spawnSync('umount', ['-l', dir]).status === 0);
    fs.rmdirSync(dir)
  })
  return dir
}

/** A file system in a file that is removed at the end; gives the file's path. */
function image(t: ExecutionContext, ...mkfs: [string, ...string[]]): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mvc-image-'))
  t.teardown(() => fs.rmSync(dir, { recursive: true }))
  const file = path.join(dir, 'image')
  fs.closeSync(fs.openSync(file, 'w'))
  fs.truncateSync(file, 32 << 20)
  sh(...mkfs, file)
  return file
}

const ext4 = (t: ExecutionContext) => image(t, 'mkfs.ext4', '-q', '-m0')

/** Makes the drive at `dir` a volume. */
function makeVolume(dir: string, number: number, setId = SET): void {
  const ids = {
    set: { id: setId, name: 'films' },
    volume: { number, id: 'a'.repeat(31) + number, label: 'blue' },
  }
  const rest = {
    version: 1,
    generation: 1,
    created: '2026-11-22T19:00:00Z',
    closed: null,
    capacity: 1,
    tool: 'test',
  }
  fs.mkdirSync(path.join(dir, '.mvcopy'))
  fs.writeFileSync(path.join(dir, '.mvcopy/volume.json'), JSON.stringify({ ...ids, ...rest }))
}

const kindOf = async (dir: string, more: Partial<JudgeContext> = {}) =>
  (await look(dir, { ...context, ...more })).verdict.kind

rootTest('a new ext4 drive is blank in spite of its lost+found', async (t) => {
  const dir = place(t)
  const file = ext4(t)
  sh('mount', '-o', 'loop', file, dir)
  const { facts, verdict, warnings } = await look(dir, context)
  t.deepEqual([verdict, warnings], [{ kind: 'blank' }, []])
  t.true(facts.isMountPoint)
  t.false(facts.onRootMount)
  t.is(facts.mount?.mountPoint, dir)
  t.is(facts.mount?.fsType, 'ext4')
  t.is(facts.rotational, true)
  const uuid = sh('blkid', '-s', 'UUID', '-o', 'value', file)
  // The kernel tells it from 6.9 on, and udev where there is one.
  if (facts.fsUuid === undefined) t.log('no way to ask for the UUID here')
  else t.is(facts.fsUuid, uuid)
  const { bsize, bavail, blocks, ffree } = fs.statfsSync(dir)
  t.deepEqual(
    [facts.space?.block, facts.space?.free, facts.space?.total, facts.space?.freeInodes],
    [bsize, bavail * bsize, blocks * bsize, ffree],
  )
  t.true((await mounts()).some((one) => one.mountPoint === dir && one.id === facts.mount?.id))
})

rootTest('the same place before and after the drive is mounted', async (t) => {
  const dir = place(t)
  const file = ext4(t)
  const had = { hadDriveAt: [dir] }
  t.is(await kindOf(dir, had), 'unmounted')
  sh('mount', '-o', 'loop', file, dir)
  t.is(await kindOf(dir, had), 'blank')
  fs.mkdirSync(path.join(dir, 'sub'))
  t.is(await kindOf(path.join(dir, 'sub'), had), 'blank')
  sh('umount', dir)
  t.is(await kindOf(dir, had), 'unmounted')
  t.is(await kindOf(path.join(dir, 'sub'), had), 'unmounted')
})

rootTest(
  'an empty directory under /mnt is taken for an unmounted drive, a mounted one is not',
  async (t) => {
    const dir = place(t, '/mnt')
    t.is(await kindOf(dir), 'unmounted')
    t.is(await kindOf(path.join(dir, 'new')), 'unmounted')
    sh('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir)
    t.is(await kindOf(dir), 'blank')
    t.is(await kindOf(path.join(dir, 'new')), 'missing')
  },
)

rootTest('a mount point that fstab names and that is not mounted', (t) => {
  const dir = place(t)
  const table = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'mvc-fstab-')), 'fstab')
  t.teardown(() => fs.rmSync(path.dirname(table), { recursive: true }))
  fs.writeFileSync(table, `tmpfs ${dir} tmpfs noauto,size=1m 0 0\n`)
  const url = new URL('../../native/index.js', import.meta.url).href
  const script = `
    import { inspect } from ${JSON.stringify(url)}
    console.log(JSON.stringify((await inspect(process.argv[1]).done).fstab))`
  // In a mount namespace of its own the machine's fstab can be covered without touching it.
  const facts = (setup: string): PathFacts['fstab'] =>
    JSON.parse(
      sh(
        'unshare',
        '-m',
        'sh',
        '-ec',
        `mount --bind "$1" /etc/fstab; ${setup}
        exec "$2" --input-type=module -e "$3" "$4/sub"`,
        'sh',
        table,
        process.execPath,
        script,
        dir,
      ),
    )
  t.deepEqual(facts(''), { mountPoint: dir, noauto: true, mounted: false })
  t.deepEqual(facts(`mount "$4"`), { mountPoint: dir, noauto: true, mounted: true })
})

rootTest('volumes, foreign files, another set', async (t) => {
  const dir = place(t)
  sh('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir)
  fs.writeFileSync(path.join(dir, 'theirs'), 'x')
  t.is(await kindOf(dir), 'foreign')
  makeVolume(dir, 3)
  const { facts, verdict } = await look(dir, context)
  t.like(verdict, { kind: 'volume-of-set', number: 3, label: 'blue', closed: false })
  t.is(facts.rotational, undefined)
  t.is(await kindOf(dir, { justFilledId: `${'a'.repeat(31)}3` }), 'just-filled')
  t.is(await kindOf(dir, { setId: 'f'.repeat(32) }), 'other-set')
  fs.writeFileSync(path.join(dir, '.mvcopy/volume.json'), '{"version":99}')
  t.is(await kindOf(dir), 'newer-identity')
  fs.truncateSync(path.join(dir, '.mvcopy/volume.json'), 5)
  t.is(await kindOf(dir), 'damaged-identity')
})

rootTest('a read-only drive, for writing and for reading', async (t) => {
  const dir = place(t)
  sh('mount', '-o', 'loop,ro', ext4(t), dir)
  const { facts, verdict } = await look(dir, context)
  t.deepEqual(verdict, { kind: 'read-only' })
  t.true(facts.readOnly)
  t.is(await kindOf(dir, { purpose: 'read' }), 'blank')
})

rootTest('a drive that has too little room', async (t) => {
  const dir = place(t)
  sh('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', dir)
  t.deepEqual((await look(dir, context)).verdict, {
    kind: 'too-small',
    free: 65_536,
    needed: 100_000,
  })
})

rootTest('a directory that another user may not write', async (t) => {
  const dir = place(t)
  process.seteuid?.(65_534)
  try {
    t.deepEqual((await look(dir, context)).verdict, { kind: 'unreadable', errno: 13 })
    t.is(await kindOf(path.join(dir, 'new')), 'unreadable')
  } finally {
    process.seteuid?.(0)
  }
  fs.chmodSync(dir, 0o755)
  process.seteuid?.(65_534)
  try {
    t.deepEqual((await look(dir, context)).verdict, { kind: 'read-only', errno: 13 })
    t.like((await look(path.join(dir, 'new'), context)).verdict, {
      kind: 'missing',
      creatable: false,
    })
  } finally {
    process.seteuid?.(0)
  }
})

rootTest('a source is found through a bind mount, whatever the names say', async (t) => {
  const [real, bound] = [place(t), place(t)]
  sh('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', real)
  fs.mkdirSync(path.join(real, 'data/deep'), { recursive: true })
  sh('mount', '--bind', path.join(real, 'data'), bound)
  const sources = [await inspect(path.join(real, 'data'))]
  t.is(await kindOf(path.join(bound, 'deep'), { sources }), 'inside-source')
  t.is(await kindOf(bound, { sources }), 'inside-source')
  t.is(await kindOf(path.join(bound, 'deep/new'), { sources }), 'inside-source')
  t.is(await kindOf(real, { sources }), 'source-inside')
  fs.mkdirSync(path.join(real, 'beside'))
  const beside = await look(path.join(real, 'beside'), { ...context, sources })
  t.is(beside.verdict.kind, 'blank')
  t.true(beside.warnings.includes('same-file-system-as-source'))
})

rootTest('the upper of two mounts in one place is the one that counts', async (t) => {
  const dir = place(t)
  sh('mount', '-t', 'tmpfs', '-o', 'size=1m', 'lower', dir)
  fs.writeFileSync(path.join(dir, 'x'), '')
  sh('mount', '-t', 'tmpfs', '-o', 'size=2m', 'upper', dir)
  const facts = await inspect(dir)
  t.is(facts.mount?.source, 'upper')
  t.is(facts.space?.total, 2 << 20)
  t.is(facts.top?.others, 0)
})

rootTest('a drive in user space is told as one', async (t) => {
  if (spawnSync('which', ['mount.exfat-fuse', 'mkfs.exfat']).status !== 0) {
    t.log('no exfat-fuse here')
    return t.pass()
  }
  // Undone in the reverse order: unmounted, detached, removed.
  const device = sh('losetup', '-f', '--show', image(t, 'mkfs.exfat'))
  t.teardown(() => sh('losetup', '-d', device))
  const dir = place(t)
  sh('mount.exfat-fuse', device, dir)
  const { facts, verdict, warnings } = await look(dir, context)
  t.deepEqual([verdict.kind, warnings], ['blank', ['fuse']])
  t.is(facts.mount?.source, device)
  t.is(facts.rotational, true)
})

test('what is found is said in printable sentences', async (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mvc-say-'))
  t.teardown(() => fs.rmSync(dir, { recursive: true }))
  fs.writeFileSync(path.join(dir, 'a\u001b[2J'), '')
  const { verdict } = await look(dir, context)
  const { sentence, hint } = describe(verdict, dir)
  t.regex(sentence, /holds 1 file or directory \("a/)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is the point
  t.notRegex(sentence, /[\u0000-\u001f]/)
  t.truthy(hint)
  t.regex(
    describe({ kind: 'just-filled', number: 2, label: 'red' }, dir).sentence,
    /drive 2 \(red\)/,
  )
  t.regex(describe({ kind: 'read-only', errno: 13 }, dir).sentence, /EACCES/)
  t.regex(
    describe({ kind: 'other-set', setId: SET, setName: 'x', number: 1, label: '' }, dir).sentence,
    /drive 1 of another set, "x"\. Nothing on it is touched\./,
  )
  t.regex(describeWarning('plain-folder', dir), /no drive of its own/)
})
