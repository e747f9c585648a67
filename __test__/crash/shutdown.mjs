// Preloaded into the program: shuts the drive's file system down right before a step of the engine.
import { spawnSync } from 'node:child_process'
import { OpenDrive } from '../../native/index.js'

const { MVCOPY_TEST_STEP: step = '', MVCOPY_TEST_DRIVE: drive = '' } = process.env
const original = OpenDrive.prototype[step]
OpenDrive.prototype[step] = function (...args) {
  spawnSync('xfs_io', ['-x', '-c', 'shutdown', drive])
  return original.apply(this, args)
}
