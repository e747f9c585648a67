/** A repair killed at every system call that matters: nothing torn, nothing of the user's lost, and finished by the same command. */

import * as fs from 'node:fs'
import * as path from 'node:path'
import { ended, makeSource, wrongSums } from '../copy/kit.js'
import { injecting, pointsOf, readCalls, sample, tracing } from '../crash/strace.js'
import { makeHost } from '../helpers/cli.js'
import { MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { sh, tempDir } from '../helpers/temp.js'
import { find, rot } from './kit.js'

const MINE = 'what somebody wrote on the drive'
const FILES = { a: 3000, 'd/b': 100_000, 'd/gone': 50, mine: 700, good: 2000 }

rootTest('a repair killed at every call is finished by the same command', async (t) => {
  const host = makeHost()
  const source = makeSource(FILES)
  fs.linkSync(`${source}/a`, `${source}/a-too`)
  fs.symlinkSync('good', `${source}/link`)
  const drive = makeDrive({ fs: 'tmpfs', size: 16 * MiB })
  const saved = tempDir('saved')
  const log = path.join(tempDir('log'), 'log')
  const at = (name: string) => `${drive.path}/${name}`
  ended(t, await host.run([source, '-o', drive.path]), 0)
  rot(at('a'), 1000)
  rot(at('d/b'), 70_000)
  fs.rmSync(at('d/gone'))
  fs.rmSync(at('link'))
  fs.writeFileSync(at('mine'), MINE)
  await find(t, host, drive.path, {
    a: 'corrupt',
    'a-too': 'corrupt',
    'd/b': 'corrupt',
    'd/gone': 'missing',
    link: 'missing',
    mine: 'changed',
  })
  const places = [host.state, drive.path]
  places.forEach((place, n) => {
    fs.mkdirSync(path.join(saved, `${n}`))
    sh('cp', '-a', `${place}/.`, path.join(saved, `${n}`))
  })
  const reset = () =>
    places.forEach((place, n) => {
      sh('find', place, '-mindepth', '1', '-delete')
      sh('cp', '-a', `${path.join(saved, `${n}`)}/.`, place)
    })
  const names = [...Object.keys(FILES), 'a-too']
  const contents = (root: string, name: string): string | undefined => {
    const file = path.join(root, name)
    return fs.existsSync(file) ? fs.readFileSync(file, 'latin1') : undefined
  }
  const before = new Map(names.map((name) => [name, contents(drive.path, name)]))
  const kept = () =>
    fs
      .readdirSync(drive.path)
      .filter((name) => name.startsWith('mine'))
      .filter((name) => contents(drive.path, name) === MINE)
  const args = ['repair', '-o', drive.path, '--set-aside']
  ended(t, await host.run(args, { under: tracing(log) }), 0)
  const { points } = pointsOf(readCalls(log, [drive.path]))
  const broken: string[] = []
  const chosen = sample(points, 45)
  for (const target of chosen) {
    const fault = (text: string) => broken.push(`${text}; killed at ${target.call.line}`)
    reset()
    const killed = await host.run(args, { under: injecting(target, 'signal=SIGKILL', log) })
    if (killed.signal !== 'SIGKILL') fault(`not killed: ${killed.code} ${killed.stderr}`)
    for (const name of names) {
      const now = contents(drive.path, name)
      const whole = now === contents(source, name) || now === before.get(name)
      // Between its two renames the changed one stands beside.
      if (!whole && !(name === 'mine' && now === undefined)) fault(`${name} is torn`)
    }
    if (kept().length !== 1) fault(`the user's version is ${kept().length} times there`)
    const again = await host.run(args)
    if (again.code !== 0) fault(`exit ${again.code}: ${again.stderr}`)
    for (const name of names) {
      if (contents(drive.path, name) !== contents(source, name)) fault(`${name} is not repaired`)
    }
    if (fs.readlinkSync(at('link')) !== 'good') fault('the link leads elsewhere')
    if (fs.statSync(at('a')).ino !== fs.statSync(at('a-too')).ino) fault('the names are two files')
    if (kept().length !== 1) fault(`the user's version is ${kept().length} times there at the end`)
    const sums = wrongSums(drive)
    if (sums !== '') fault(sums)
    const third = await host.run(args)
    if (!third.stderr.includes('Nothing is known to be wrong')) fault(`left: ${third.stderr}`)
  }
  t.deepEqual(broken, [])
  t.true(chosen.length >= 40, `${points.length} points`)
  t.log(`${chosen.length} of ${points.length} points`)
})
