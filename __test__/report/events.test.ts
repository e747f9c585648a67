import test from 'ava'
import { eventFault } from '../helpers/events.js'

const opened = {
  type: 'volume-opened',
  volume: { number: 1, label: 'blue' },
  path: '/mnt/usb',
  fresh: true,
  capacity: 10,
  available: 9,
}

test('the schema takes an event as it is, and finds what is missing, wrong, new or unknown', (t) => {
  t.is(eventFault(opened), undefined)
  const { path: _, ...lacking } = opened
  t.regex(eventFault(lacking) ?? '', /required property 'path'/)
  t.regex(eventFault({ ...opened, fresh: 'yes' } as never) ?? '', /\/fresh must be boolean/)
  t.regex(eventFault({ ...opened, more: 1 } as never) ?? '', /additional properties/)
  t.regex(eventFault({ type: 'opened' }) ?? '', /no event has the type opened/)
})
