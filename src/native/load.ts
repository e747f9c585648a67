/**
 * Loads the generated binding; with its siblings here, the only importer of it.
 *
 * Importing this module loads the addon. When that fails the import rejects with a `NativeLoadError`
 * whose message says for which platform, which package is missing and how to build from source; so
 * what must work without the addon (help, version, usage errors) imports this lazily.
 */

import type * as Binding from '../../native/index.js'

/** What the addon exports. */
export type NativeBinding = typeof Binding

/** The machine, as far as an addon is made for it. */
export interface Host {
  readonly platform: string
  readonly arch: string
  /** On Linux; undefined elsewhere. */
  readonly libc: 'gnu' | 'musl' | undefined
}

/** The addon could not be loaded; the message is for the user, `cause` is what the loader said. */
export class NativeLoadError extends Error {
  override readonly name = 'NativeLoadError'
}

/** The addon. */
export const binding: NativeBinding = await load()

async function load(): Promise<NativeBinding> {
  try {
    return await import('../../native/index.js')
  } catch (error) {
    throw new NativeLoadError(explainLoadFailure(error, thisHost()), { cause: error })
  }
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

/** The message for a failed load: what is missing, for which machine, and what to do. */
export function explainLoadFailure(error: unknown, host: Host): string {
  const name = platformName(host)
  const lines = [
    `The native part of multivolumecopy cannot be loaded on ${name} (Node ${process.versions.node}).`,
  ]
  const refusal = deepest(error)
  if (isMissing(error)) {
    lines.push(
      `Neither native/multivolumecopy.${name}.node nor the package multivolumecopy-${name} is there.`,
    )
  } else {
    lines.push(`It is there and was refused: ${refusal}`)
  }
  lines.push('To build it from source (with Rust 1.89 or later and a C compiler): npm run build')
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

/** Whether nothing was found, as opposed to something that could not be loaded. */
function isMissing(error: unknown): boolean {
  return messages(error)
    .filter((message) => !message.startsWith('Cannot find native binding'))
    .every((message) => /^Cannot find (module|package)\b/.test(message))
}

/** The first message that says more than "not found". */
function deepest(error: unknown): string {
  const all = messages(error)
  const telling = all.find((message) => !message.startsWith('Cannot find')) ?? all.at(-1) ?? ''
  return telling.split('\n')[0] ?? ''
}
