/**
 * A source that lives: files come, change, go, and get other names, and the model knows which did.
 *
 * Contents are told apart by a number that never repeats, so that "the same content" needs no reading.
 * Times lie in the past and rise with every change: no clock decides a test.
 */

import * as fs from 'node:fs'
import * as path from 'node:path'
import { Random } from '../helpers/random.js'

/** What the model knows of one file. */
export interface ModelFile {
  readonly size: number
  /** Differs between any two contents. */
  readonly content: number
}

/** What happened to the source in one step. */
export interface Changes {
  /** Bytes of new and changed content: what a run has to write, and no more. */
  readonly bytes: number
  readonly added: number
  readonly changed: number
  readonly removed: number
  readonly renamed: number
}

/** How much is done in one step: parts of the files that there are. */
export interface Mix {
  readonly add: number
  readonly change: number
  readonly remove: number
  /** Number of files, and of directories, that are renamed. */
  readonly renameFiles: number
  readonly renameDirectories: number
}

/** The source and its model. */
export class LivingTree {
  readonly root: string
  readonly #random: Random
  readonly #files = new Map<string, ModelFile>()
  #next = 1
  #time = 1_600_000_000

  constructor(root: string, random: Random) {
    this.root = root
    this.#random = random
  }

  get files(): ReadonlyMap<string, ModelFile> {
    return this.#files
  }

  get bytes(): number {
    return [...this.#files.values()].reduce((sum, { size }) => sum + size, 0)
  }

  /** Adds files until there are so many bytes more. */
  fill(bytes: number): Changes {
    const goal = this.bytes + bytes
    const before = this.#files.size
    const had = this.bytes
    while (this.bytes < goal) this.#add()
    return {
      bytes: this.bytes - had,
      added: this.#files.size - before,
      changed: 0,
      removed: 0,
      renamed: 0,
    }
  }

  /** One step in the life of the source. */
  step(mix: Mix): Changes {
    const count = this.#files.size
    const done = { bytes: 0, added: 0, changed: 0, removed: 0, renamed: 0 }
    const before = new Map([...this.#files].map(([name, { content }]) => [content, name]))
    for (const name of this.#some(Math.ceil(count * mix.remove))) {
      fs.rmSync(path.join(this.root, name))
      this.#files.delete(name)
      done.removed += 1
    }
    for (const name of this.#some(Math.ceil(count * mix.change))) {
      done.bytes += this.#write(name)
      done.changed += 1
    }
    // Renamed are files that stood still in this step, as a rename of a changed file is a new file.
    const still = new Set(this.#files.keys())
    for (let n = Math.ceil(count * mix.add); n > 0; n -= 1) {
      done.bytes += this.#add()
      done.added += 1
    }
    for (const name of this.#some(mix.renameFiles, [...still])) {
      this.#rename(name, this.#freeName())
    }
    for (let n = 0; n < mix.renameDirectories; n += 1) this.#renameDirectory()
    this.#dropEmpty(this.root)
    for (const [name, { content }] of this.#files) {
      const had = before.get(content)
      if (had !== undefined && had !== name) done.renamed += 1
    }
    return done
  }

  #some(count: number, from = [...this.#files.keys()]): string[] {
    const picked = new Set<string>()
    while (picked.size < Math.min(count, from.length)) picked.add(this.#random.pick(from))
    return [...picked]
  }

  #add(): number {
    return this.#write(this.#freeName())
  }

  #freeName(): string {
    for (;;) {
      const n = this.#random.below(1_000_000)
      const name = `d${this.#random.below(8)}/e${this.#random.below(3)}/f${n}`
      if (!this.#files.has(name)) return name
    }
  }

  #write(name: string): number {
    const file = path.join(this.root, name)
    const content = this.#next
    this.#next += 1
    // A tenth keeps its size: only the time tells that it changed.
    const had = this.#files.get(name)
    const size =
      had !== undefined && this.#random.chance(0.1)
        ? had.size
        : 1 + this.#random.size(120_000, 1, 900_000)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, new Random(content).bytes(size))
    this.#time += 1
    fs.utimesSync(file, this.#time + 0.5, this.#time + 0.5)
    this.#files.set(name, { size, content })
    return size
  }

  #rename(from: string, to: string): void {
    const target = path.join(this.root, to)
    fs.mkdirSync(path.dirname(target), { recursive: true })
    fs.renameSync(path.join(this.root, from), target)
    this.#files.set(to, this.#files.get(from) as ModelFile)
    this.#files.delete(from)
  }

  /** Renames a directory with all that is in it, at the top or below. */
  #renameDirectory(): void {
    const deep = this.#random.chance(0.5)
    const names = [...this.#files.keys()].map((name) =>
      name
        .split('/')
        .slice(0, deep ? 2 : 1)
        .join('/'),
    )
    if (names.length === 0) return
    const from = this.#random.pick(names)
    const to = `d${this.#random.below(1000) + 100}${deep ? '/e0' : ''}`
    if (fs.existsSync(path.join(this.root, to))) return
    fs.mkdirSync(path.dirname(path.join(this.root, to)), { recursive: true })
    fs.renameSync(path.join(this.root, from), path.join(this.root, to))
    for (const [name, file] of [...this.#files]) {
      if (!name.startsWith(`${from}/`)) continue
      this.#files.set(to + name.slice(from.length), file)
      this.#files.delete(name)
    }
  }

  #dropEmpty(directory: string): void {
    for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue
      const inside = path.join(directory, entry.name)
      this.#dropEmpty(inside)
      if (fs.readdirSync(inside).length === 0) fs.rmdirSync(inside)
    }
  }
}
