import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { eventsInTranscript } from '../copy/kit.js'
import { join, printable } from './bytes.js'
import { makeHost, program } from './cli.js'
import { assertUnionEquals, differences, rsyncDiff } from './compare.js'
import { type FileSystem, MiB, makeDrive } from './drives.js'
import { openTerminal } from './pty.js'
import { rootTest } from './root.js'
import { assertUnchanged, fingerprint } from './snapshot.js'
import { mountsBelow, tempDir } from './temp.js'
import { makeTree } from './tree.js'

const kinds: FileSystem[] = ['ext4', 'xfs', 'btrfs', 'tmpfs', 'exfat', 'ntfs']

for (const kind of kinds) {
  rootTest(`a drive of ${kind} can be written, pulled out, put back and thrown away`, async (t) => {
    const drive = makeDrive({ fs: kind, size: 64 * MiB })
    const own = path.dirname(drive.path)
    const file = path.join(drive.path, 'a')
    fs.writeFileSync(file, 'hello')
    t.true(drive.free() > 16 * MiB && drive.free() < 64 * MiB)
    drive.unmount()
    t.false(drive.mounted)
    t.deepEqual(fs.readdirSync(drive.path), [])
    const elsewhere = tempDir('elsewhere')
    drive.remount({ path: elsewhere, readOnly: true })
    t.is(drive.path, elsewhere)
    t.is(fs.existsSync(path.join(elsewhere, 'a')), kind !== 'tmpfs')
    t.throws(() => fs.writeFileSync(path.join(elsewhere, 'b'), ''), { code: 'EROFS' })
    drive.dispose()
    t.deepEqual(mountsBelow(elsewhere), [])
    // By what is behind them: another test may have been given the number meanwhile. The kernel
    // detaches a device that somebody looks at just then as soon as he lets go.
    const loops = () =>
      execFileSync('losetup', ['-l', '-n', '-O', 'BACK-FILE'], { encoding: 'utf8' })
    while (loops().includes(`${own}/`)) await setTimeout(100)
    t.pass()
  })
}

rootTest('a drive runs out of inodes when few were asked for', (t) => {
  for (const kind of ['ext4', 'tmpfs'] as const) {
    const drive = makeDrive({ fs: kind, size: 16 * MiB, inodes: 64 })
    t.throws(
      () => {
        for (let index = 0; index < 100; index++) fs.writeFileSync(`${drive.path}/${index}`, '')
      },
      { code: 'ENOSPC' },
    )
    drive.dispose()
  }
})

test('the same seed makes the same tree', (t) => {
  const [one, two] = [tempDir('one'), tempDir('two')]
  const made = makeTree(t, one, { seed: 7 })
  t.like(makeTree(t, two, { seed: 7 }), { files: made.files, bytes: made.bytes })
  // Targets may be absolute paths into the tree, so they differ.
  const notTargets = differences(one, two).filter((line) => !/target|size/.test(line))
  t.deepEqual(notTargets, [])
  t.true(made.entries >= 200)
})

test('a faithful copy is found equal, each fault in a copy is found', (t) => {
  const source = tempDir('source')
  makeTree(t, source)
  fs.writeFileSync(`${source}/victim`, 'content')
  fs.writeFileSync(`${source}/linked`, 'twice')
  fs.linkSync(`${source}/linked`, `${source}/other name`)
  fs.symlinkSync('there', `${source}/symlink`)
  fs.closeSync(fs.openSync(`${source}/sparse`, 'w'))
  fs.truncateSync(`${source}/sparse`, 4 * MiB)
  const copy = tempDir('copy')
  execFileSync('cp', ['-a', `${source}/.`, copy])
  t.deepEqual(differences(source, copy), [])

  const faults: [string, RegExp, () => void][] = [
    ['content', /^victim: content$/, () => rewrite(`${copy}/victim`, 'c0ntent')],
    ['mode', /^victim: mode: 644 ≠ 604$/, () => fs.chmodSync(`${copy}/victim`, 0o604)],
    ['time', /^victim: mtime: /, () => fs.utimesSync(`${copy}/victim`, 1, 1.000001)],
    ['missing', /^missing: victim \(file\)$/, () => fs.rmSync(`${copy}/victim`)],
    ['too much', /^too much: surplus \(file\)$/, () => fs.writeFileSync(`${copy}/surplus`, '')],
    ['links', /^other name: links: /, () => unlink(`${copy}/other name`)],
    ['target', /^symlink: target: there ≠ then$/, () => relink(`${copy}/symlink`)],
    ['holes', /^sparse: holes: /, () => rewrite(`${copy}/sparse`, Buffer.alloc(4 * MiB))],
    ['kind', /^victim: kind: file ≠ directory$/, () => fs.mkdirSync(`${copy}/victim`)],
  ]
  for (const [what, line, spoil] of faults) {
    spoil()
    const found = differences(source, copy)
    t.true(
      found.some((difference) => line.test(difference)),
      `${what}: ${found.join('; ')}`,
    )
  }
})

test('drives are compared together, a file may stand on one only', (t) => {
  const [source, first, second] = [tempDir('source'), tempDir('drive'), tempDir('drive')]
  fs.mkdirSync(`${source}/both`)
  fs.writeFileSync(`${source}/both/a`, 'a')
  fs.writeFileSync(`${source}/both/b`, 'b')
  execFileSync('cp', ['-a', `${source}/both`, first])
  execFileSync('cp', ['-a', `${source}/both`, second])
  t.deepEqual(differences(source, [first, second]), [
    'on two drives: both/a (file)',
    'on two drives: both/b (file)',
  ])
  fs.rmSync(`${first}/both/b`)
  fs.rmSync(`${second}/both/a`)
  fs.utimesSync(`${source}/both`, 5, 5)
  fs.utimesSync(`${first}/both`, 5, 5)
  t.regex(differences(source, [first, second]).join('\n'), /^both: mtime: 5000000000 ≠ \d+$/)
  fs.utimesSync(`${second}/both`, 5, 5)
  fs.mkdirSync(`${second}/.mvcopy`)
  assertUnionEquals(t, source, [first, second])
})

test('trees that are deeper than PATH_MAX are compared', (t) => {
  const [source, copy] = [tempDir('source'), tempDir('copy')]
  for (const root of [source, copy]) {
    const script =
      'cd "$1"; for i in $(seq 20); do mkdir $2; touch -d @7 $2; cd $2; done; echo $3 > f'
    execFileSync('bash', [
      '-c',
      script,
      'bash',
      root,
      'd'.repeat(250),
      root === copy ? 'no' : 'yes',
    ])
  }
  const deep = differences(source, copy).filter((line) => !line.includes('mtime'))
  t.is(deep.length, 2)
  t.true(deep.every((line) => line.length > 4096 && /\/f: (content|size)/.test(line)))
})

rootTest('rsync agrees with the comparer, over the union of two drives', (t) => {
  const source = tempDir('source')
  makeTree(t, source, { entries: 120 })
  const drives = [makeDrive({ size: 128 * MiB }), makeDrive({ size: 128 * MiB })] as const
  execFileSync('cp', ['-a', `${source}/.`, drives[0].path])
  fs.writeFileSync(`${source}/later`, 'x')
  execFileSync('cp', ['-a', `${source}/later`, drives[1].path])
  assertUnionEquals(t, source, drives)
  t.deepEqual(rsyncDiff(source, drives), [])
  rewrite(path.join(drives[1].path, 'later'), 'y')
  t.deepEqual(rsyncDiff(source, drives), ['>fc........ later'])
  t.deepEqual(
    differences(
      source,
      drives.map((drive) => drive.path),
    ),
    ['later: content'],
  )
  for (const drive of drives) drive.dispose()
})

test('a fingerprint notices a single byte, and shows it', async (t) => {
  const root = tempDir('tree')
  makeTree(t, root, { entries: 30 })
  fs.writeFileSync(`${root}/victim`, 'content')
  const before = fingerprint(root)
  assertUnchanged(t, before, fingerprint(root))
  rewrite(`${root}/victim`, 'Content')
  const result = await t.try((tt) => assertUnchanged(tt, before, fingerprint(root)))
  result.discard()
  t.false(result.passed)
})

test('names are shown on one line', (t) => {
  t.is(printable(Buffer.from('plain ü')), 'plain ü')
  t.is(printable(Buffer.from('a\nb\\')), 'a\\x0ab\\x5c')
  t.is(printable(Buffer.from('\xff', 'latin1')), '\\xff')
  t.is(printable(join('a', Buffer.from('b'), '')), 'a/b')
})

test('a terminal shows what is said, takes what is typed, and gives the exit code', async (t) => {
  const script =
    'tty >/dev/null && printf "\\033[1mname\\033[0m> "; read -r a; echo "got $a"; exit 7'
  const terminal = openTerminal(['sh', '-c', script])
  await terminal.expect(/name> /)
  terminal.send('me\r')
  await terminal.expect(/got me/)
  t.deepEqual(await terminal.exit, { code: 7, signal: 0 })
  await t.throwsAsync(terminal.expect(/never/), { message: /ended \(exit code 7\)/ })
})

test('objects on a terminal are found behind a row of progress that was erased', async (t) => {
  const closed = '{"type":"volume-closed","written":{"files":2,"bytes":7}}'
  const script = `printf '1 of 2\\n40%% of 52.4 MB: f9\\r\\033[1A\\r\\033[J\\r%s\\nsaid {}\\n' '${closed}'`
  const terminal = openTerminal(['sh', '-c', script])
  t.is((await terminal.exit).code, 0)
  t.deepEqual(eventsInTranscript(terminal.transcript()), [
    { type: 'volume-closed', written: { files: 2, bytes: 7 } },
  ])
})

test('a host gives the program its own home and nothing of ours', async (t) => {
  process.env.MVCOPY_TEST_LEAK = '1'
  const host = makeHost()
  const printed = await host.run([], { under: ['sh', '-c', 'env; pwd; exit 3', 'sh'] })
  t.is(printed.code, 3)
  t.regex(printed.stdout, new RegExp(`^HOME=${host.home}$`, 'm'))
  t.regex(printed.stdout, new RegExp(`^XDG_STATE_HOME=${host.state}$`, 'm'))
  t.notRegex(printed.stdout, /MVCOPY|^npm_|NODE_OPTIONS/m)
  t.is(printed.stdout.trimEnd().split('\n').at(-1), host.cwd)
  t.not(makeHost().state, host.state)
})

test('arguments reach the program byte for byte, whatever they are', async (t) => {
  const bad = Buffer.from('\xff\x80 \'"$x\n', 'latin1')
  const under = ['printf', '%s|']
  const { stdoutBytes } = await makeHost().run(['a b', bad, "it's"], { under })
  const wanted = [Buffer.from(`${process.execPath}|${program}|a b|`), bad, Buffer.from("|it's|")]
  t.deepEqual(stdoutBytes, Buffer.concat(wanted))
})

test('a run can be waited for, fed and killed', async (t) => {
  const host = makeHost()
  const under = [
    'sh',
    '-c',
    'echo ready >&2; read a; echo "$a"; echo asleep >&2; exec sleep 1000',
    'sh',
  ]
  const running = host.start([], { under, input: 'fed\n' })
  await running.said(/ready/)
  await running.said(/asleep/)
  running.child.kill('SIGTERM')
  t.like(await running.done, { code: null, signal: 'SIGTERM', stdout: 'fed\n' })
  await t.throwsAsync(running.said(/never/), { message: /ended without saying/ })
})

/** Changes a file's content and puts its time back. */
function rewrite(file: string, content: string | Buffer): void {
  const { atimeNs, mtimeNs } = fs.statSync(file, { bigint: true })
  fs.writeFileSync(file, content)
  execFileSync('touch', ['-m', '-d', `@${seconds(mtimeNs)}`, file])
  execFileSync('touch', ['-a', '-d', `@${seconds(atimeNs)}`, file])
}

function seconds(ns: bigint): string {
  return `${ns / 1_000_000_000n}.${String(ns % 1_000_000_000n).padStart(9, '0')}`
}

function unlink(file: string): void {
  fs.copyFileSync(file, `${file}~`)
  fs.renameSync(`${file}~`, file)
}

function relink(file: string): void {
  fs.unlinkSync(file)
  fs.symlinkSync('then', file)
}
