/** A backup killed at every system call that matters: nothing torn, nothing lost, nothing twice. */

import { rootTest } from '../helpers/root.js'
import { campaign } from './kill.js'

rootTest('a first backup killed at every call is finished by the same command', async (t) => {
  const points = await campaign(t, { most: 45, missed: 10 })
  t.true(points >= 45)
})

rootTest('an update killed at every call is finished by the same command', async (t) => {
  const points = await campaign(t, { update: true, most: 45, missed: 10 })
  t.true(points >= 45)
})

rootTest('an update in many groups killed at every call', async (t) => {
  const points = await campaign(t, { update: true, eachFile: true, most: 40, missed: 10 })
  t.true(points >= 40)
})

rootTest('a run that renames killed at every call is finished by the same command', async (t) => {
  const points = await campaign(t, { update: true, renamed: true, most: 30, missed: 25 })
  t.true(points >= 30)
})
