// Preloaded into the program: the private place of a restore has the same name each time, so that calls on
// what is in it can be aimed at.
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

crypto.randomBytes = (size) => Buffer.alloc(size, 0xab)
syncBuiltinESMExports()
