// Makes dist/ out of src/: declarations by tsc, which checks the types on the way, and the code by esbuild.
//
// The code is bundled, packages and all, into three files: Node.js takes longer to find and open a hundred small
// modules than to run most commands. `main.js` answers what needs nothing, `program.js` is all the rest, with modules
// that are run only when they are asked for, and `index.js` is the library, which shares nothing with the program.
// They lie at the top of dist/, so that `../package.json` and `../native/` are where they are from src/.
// The binding of the addon is not bundled: it looks for the binary beside itself.

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { createRequire } from 'node:module'
import * as path from 'node:path'
import { build } from 'esbuild'
import { root } from './setup.mjs'

const tsc = path.join(
  path.dirname(createRequire(import.meta.url).resolve('typescript/package.json')),
  'bin/tsc',
)
// Otherwise the output of a removed source file would live on, and be packed.
fs.rmSync(path.join(root, 'dist'), { recursive: true, force: true })
const types = [tsc, '-p', 'tsconfig.build.json']
const { status } = spawnSync(process.execPath, types, { cwd: root, stdio: 'inherit' })
if (status !== 0) {
  process.exitCode = 1
} else {
  await build({
    absWorkingDir: root,
    entryPoints: ['src/main.ts', 'src/program.ts', 'src/index.ts'],
    outdir: 'dist',
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    external: ['./native/index.js', './program.js'],
    // Packages in CommonJS ask for the modules of Node.js by `require`, which a module has not.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'\nconst require = requireFrom(import.meta.url)",
    },
    logLevel: 'warning',
  })
}
