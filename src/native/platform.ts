/**
 * For which platforms there is an addon, which one this process needs, and why it could not be loaded, in words
 * for the user. Loads nothing.
 */

import { version } from '../version.js'

/** The machine, as far as an addon is made for it. */
export interface Host {
  readonly platform: string
  readonly arch: string
  /** On Linux; undefined elsewhere. */
  readonly libc: 'gnu' | 'musl' | undefined
}

/** The platforms that packages are published for; those of `napi.targets` in package.json, a test says. */
export const PUBLISHED = [
  'linux-x64-gnu',
  'linux-arm64-gnu',
  'linux-x64-musl',
  'linux-arm64-musl',
] as const

/** The addon could not be loaded; the message is for the user, `cause` is what the loader said. */
export class NativeLoadError extends Error {
  override readonly name = 'NativeLoadError'
}

/** What this process runs on. */
export function thisHost(): Host {
  const { platform, arch } = process
  return { platform, arch, libc: platform === 'linux' ? linuxLibc() : undefined }
}

function linuxLibc(): 'gnu' | 'musl' {
  // Without `excludeNetwork` (not in the types of Node 20) the report may wait for name servers.
  const maker = process.report as typeof process.report & { excludeNetwork: boolean }
  maker.excludeNetwork = true
  const report = maker.getReport() as { header?: { glibcVersionRuntime?: string } }
  return report.header?.glibcVersionRuntime === undefined ? 'musl' : 'gnu'
}

/** The platform's name as packages and files carry it, `linux-x64-gnu`. */
export function platformName({ platform, arch, libc }: Host): string {
  return libc === undefined ? `${platform}-${arch}` : `${platform}-${arch}-${libc}`
}

/** The message for a failed load, a line a sentence: for which machine, what is missing, what to do. */
export function explainLoadFailure(error: unknown, host: Host): string {
  const name = platformName(host)
  const lines = [
    `The native part of multivolumecopy cannot be loaded on ${name} (Node ${process.versions.node}).`,
  ]
  const package_ = `multivolumecopy-${name}`
  const refusal = deepest(error)
  if (!isMissing(error)) {
    lines.push(`It is there and was refused: ${refusal}`)
    const glibc = /GLIBC_([\d.]+)'? not found/.exec(refusal)?.[1]
    if (glibc !== undefined) {
      lines.push(`It needs glibc ${glibc} or later, and the one of this system is older.`)
    }
  } else if ((PUBLISHED as readonly string[]).includes(name)) {
    lines.push(
      `The package ${package_} is not installed, and there is no native/multivolumecopy.${name}.node.`,
      'It is an optional dependency: it is left out by --omit=optional, and by a lock file or node_modules of another platform.',
      `To install it: npm install --no-save ${package_}@${version()}`,
    )
  } else {
    lines.push(`No package is published for it; there are packages for ${PUBLISHED.join(', ')}.`)
  }
  lines.push(
    'To build it from source (with Rust 1.89 or later and a C compiler): npm run build, in a clone of the repository',
  )
  return lines.join('\n')
}

/** All messages in the chain of causes, outermost first, to a depth that ends a cycle. */
function messages(error: unknown): string[] {
  const found: string[] = []
  let at = error
  for (let depth = 0; at !== undefined && at !== null && depth < 16; depth += 1) {
    const { message, cause } = at as { message?: unknown; cause?: unknown }
    found.push(typeof message === 'string' ? message : String(at))
    at = cause
  }
  return found
}

/** What the loader says where it knows of no file or package to look for. */
const NOTHING_TO_LOOK_FOR = /^(Cannot find (module|package)|Unsupported (OS|architecture))\b/

/** Whether nothing was found, as opposed to something that could not be loaded. */
function isMissing(error: unknown): boolean {
  return messages(error)
    .filter((message) => !message.startsWith('Cannot find native binding'))
    .every((message) => NOTHING_TO_LOOK_FOR.test(message))
}

/** The first message that says more than "not found". */
function deepest(error: unknown): string {
  const all = messages(error)
  const telling = all.find((message) => !/^(Cannot find|Unsupported)/.test(message))
  return (telling ?? all.at(-1) ?? '').split('\n')[0] ?? ''
}
