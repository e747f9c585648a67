// Builds the addon and the TypeScript. `--if-needed` leaves alone what is already current; that is
// what npm's `prepare` calls, so that `npm ci` inside `npm start` does not build everything twice.

import { buildIfStale, checkNode, explained } from './setup.mjs'

await explained(() => {
  checkNode()
  buildIfStale(!process.argv.includes('--if-needed'))
})
