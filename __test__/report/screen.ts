/**
 * A terminal that folds long lines, and folds them anew when its width changes, taking the cursor along, as tmux and VTE
 * do: a row that goes on in the next one is joined with it until one of them is erased as a whole.
 */
import stringWidth from 'fast-string-width'

interface Row {
  cells: string[]
  /** Goes on in the next row. */
  joined: boolean
}

const TOKEN = new RegExp(`${'\u001b'}\\[(\\??\\d*)([A-Za-z])|[^]`, 'gu')

export class Screen {
  #rows: Row[] = [{ cells: [], joined: false }]
  #y = 0
  #x = 0
  #width = 80
  #folds = true

  write(text: string): void {
    for (const [token, count = '', end = ''] of text.matchAll(TOKEN)) {
      if (end === '') this.#put(token)
      else this.#control(count, end)
    }
  }

  /** What stands on it, without empty lines at the end. */
  get text(): string {
    const lines = this.#rows.map(({ cells, joined }) => cells.join('') + (joined ? '' : '\n'))
    return lines.join('').replaceAll(/ +$/gm, '').trimEnd()
  }

  get width(): number {
    return this.#width
  }

  set width(width: number) {
    const rows: Row[] = []
    let [y, x] = [0, 0]
    let cells: string[] = []
    let cursor: number | undefined
    for (const [n, row] of this.#rows.entries()) {
      if (n === this.#y) cursor = cells.length + this.#x
      cells.push(...row.cells)
      if (row.joined) continue
      if (cursor !== undefined) [y, x] = [rows.length + Math.floor(cursor / width), cursor % width]
      const needed = Math.max(1, Math.ceil(cells.length / width))
      for (let k = 0; k < needed; k += 1) {
        rows.push({ cells: cells.slice(k * width, (k + 1) * width), joined: k < needed - 1 })
      }
      cells = []
      cursor = undefined
    }
    this.#rows = rows
    ;[this.#y, this.#x, this.#width] = [Math.min(y, rows.length - 1), x, width]
  }

  #row(y: number): Row {
    this.#rows[y] ??= { cells: [], joined: false }
    return this.#rows[y]
  }

  #put(char: string): void {
    if (char === '\r') this.#x = 0
    else if (char === '\n') {
      this.#y += 1
      this.#x = 0
      this.#row(this.#y)
    } else {
      if (stringWidth(char) !== 1) throw new Error('only characters of one column')
      if (this.#x === this.#width) {
        if (this.#folds) {
          this.#row(this.#y).joined = true
          this.#put('\n')
        } else this.#x -= 1
      }
      this.#row(this.#y).cells[this.#x] = char
      this.#x += 1
    }
  }

  #control(count: string, end: string): void {
    const n = Number(count || 1)
    const row = this.#row(this.#y)
    if (end === 'm') return
    if (end === 'A') this.#y = Math.max(0, this.#y - n)
    else if (end === 'C') this.#x = Math.min(this.#width - 1, this.#x + n)
    else if (end === 'K' && count === '2') this.#eraseRow(this.#y)
    else if (end === 'K' && count === '') row.cells.length = Math.min(row.cells.length, this.#x)
    else if (end === 'J' && count === '') {
      row.cells.length = Math.min(row.cells.length, this.#x)
      row.joined = false
      this.#rows.length = this.#y + 1
    } else if (count === '?7') this.#folds = end === 'h'
    else throw new Error(`unknown: ${count}${end}`)
  }

  #eraseRow(y: number): void {
    this.#rows[y] = { cells: [], joined: false }
    const above = this.#rows[y - 1]
    if (above !== undefined) above.joined = false
  }
}
