import test from 'ava'
import { EOF, unattended } from '../../src/prompt/prompter.js'
import { askForVolume, confirm } from '../../src/prompt/questions.js'
import { FakePrompter } from './fake.js'

const question = {
  wanted: 'drive 2 (blue)',
  full: 'drive 1 is complete.',
  path: '/mnt/usb',
  list: () => ['drive 1  full', 'drive 2  empty'],
  home: '/home/u',
}

test('the question says what is done, what is wanted, where, and the keys', async (t) => {
  const prompter = new FakePrompter('c')
  t.deepEqual(await askForVolume(prompter, question), { action: 'continue' })
  const [asked = []] = prompter.asked
  t.is(asked[0], 'drive 1 is complete.')
  t.regex(asked[1] ?? '', /drive 2 \(blue\).*\/mnt\/usb/)
  t.regex(asked.at(-1) ?? '', /c = go on.*q = stop.*\?/)
})

test('q stops, in either case; the end of input is an answer of its own', async (t) => {
  t.deepEqual(await askForVolume(new FakePrompter('Q'), question), { action: 'quit' })
  t.deepEqual(await askForVolume(new FakePrompter(EOF), question), { action: 'eof' })
  t.deepEqual(await askForVolume(unattended, question), { action: 'eof' })
})

test('l lists, ? helps, and then it asks again', async (t) => {
  const prompter = new FakePrompter('l', '?', 'c')
  t.deepEqual(await askForVolume(prompter, question), { action: 'continue' })
  t.deepEqual(prompter.asked[1]?.slice(0, -1), ['drive 1  full', 'drive 2  empty'])
  t.regex(prompter.asked[2]?.join('\n') ?? '', /q\s+stop here.*resume|same command/s)
})

test('a path is taken, ~/ is the home directory', async (t) => {
  const answer = (text: string) => askForVolume(new FakePrompter(text), question)
  t.deepEqual(await answer('/media/My Disk'), { action: 'continue', path: '/media/My Disk' })
  t.deepEqual(await answer('./x'), { action: 'continue', path: './x' })
  t.deepEqual(await answer('.'), { action: 'continue', path: '.' })
  t.deepEqual(await answer('~/usb'), { action: 'continue', path: '/home/u/usb' })
})

test('Enter, y, yes and slips of the finger are never "go on"', async (t) => {
  for (const slip of ['', 'y', 'yes', 'cc', 'x', 'continue?', 'usb2']) {
    const prompter = new FakePrompter(slip, 'q')
    t.deepEqual(await askForVolume(prompter, question), { action: 'quit' }, JSON.stringify(slip))
    t.is(prompter.asked.length, 2)
  }
})

test('yes or no: Enter takes the default that is shown, anything else is asked again', async (t) => {
  const ask = (fallback: boolean, ...answers: string[]) =>
    confirm(new FakePrompter(...answers), ['Remove them?'], fallback)
  t.is(await ask(false, ''), 'no')
  t.is(await ask(true, ''), 'yes')
  t.is(await ask(false, 'Y'), 'yes')
  t.is(await ask(true, 'No'), 'no')
  t.is(await ask(false, 'perhaps', 'yes'), 'yes')
  t.is(await ask(true), 'eof')
  t.is(await confirm(unattended, ['Remove them?'], true), 'eof')
  const prompter = new FakePrompter('n')
  await confirm(prompter, ['a', 'b', 'Remove them?'], false)
  t.deepEqual(prompter.asked, [['a', 'b', 'Remove them? [y/N]']])
})
