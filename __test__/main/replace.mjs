/** Loaded before the program: puts `fake-run.ts` in the place of the real flow of a copy. */
import { register } from 'node:module'

const fake = new URL('./fake-run.ts', import.meta.url).href
const hooks = `export async function resolve(specifier, context, next) {
  return specifier === '../copy/run.js'
    ? next(${JSON.stringify(fake)}, context)
    : next(specifier, context)
}`
register(`data:text/javascript,${encodeURIComponent(hooks)}`)
