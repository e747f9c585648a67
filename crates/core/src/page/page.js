// The script of START-HERE.html and of the report; `mod.rs` puts it into the page and allows it by its digest.
// It has no line that could end a script element, and puts names into text nodes and addresses only.
;(() => {
  const $ = (id) => document.getElementById(id)
  const facts = JSON.parse($('facts').textContent)
  const isReport = facts.volume === undefined
  // Everything that is shown goes through here: text, never markup.
  const el = (tag, className, ...children) => {
    const made = document.createElement(tag)
    if (className) made.className = className
    for (const child of children) if (child !== undefined && child !== '') made.append(child)
    return made
  }
  const count = (n, one, many = `${one}s`) => `${n.toLocaleString('en')} ${n === 1 ? one : many}`
  const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB']
  const bytes = (n) => {
    let unit = 0
    let value = n
    while (value >= 999.5 && unit < UNITS.length - 1) {
      value /= 1000
      unit += 1
    }
    return unit === 0
      ? count(n, 'byte')
      : `${value >= 99.5 ? value.toFixed(0) : value.toPrecision(3)} ${UNITS[unit]}`
  }
  const day = (date) => date.slice(0, 10)
  const dayOf = (seconds) => {
    const date = new Date(seconds * 1000)
    return seconds > 0 && !Number.isNaN(date.getTime()) ? date.toISOString().slice(0, 10) : ''
  }
  const volumes = new Map(facts.volumes.map((volume) => [volume.number, volume]))
  const driveName = (number) => {
    const label = volumes.get(number)?.label
    return label ? `drive ${number} “${label}”` : `drive ${number}`
  }
  const title = (text) => text[0].toUpperCase() + text.slice(1)
  const fraction = (part, whole) =>
    whole > 0 ? Math.max(0, Math.min(100, (100 * part) / whole)) : 0

  // What this is.
  const here = volumes.get(facts.volume)
  const about = $('about')
  const inUse = facts.volumes.filter((volume) => volume.fate === '')
  const all = inUse.reduce((sum, volume) => sum + volume.bytes, 0)
  if (isReport) {
    about.append(
      el('p', '', `${count(inUse.length, 'drive')}, ${bytes(all)}. As of ${day(facts.made)}.`),
    )
  } else {
    const known =
      here && here.files > 0 ? `${count(here.files, 'file')}, ${bytes(here.bytes)}. ` : ''
    // One that is lost or retired is none of those in use; the card below says which it is.
    const others = inUse.filter((volume) => volume.number !== facts.volume).length
    const among =
      here?.fate !== ''
        ? `The set has ${others === 0 ? 'no other drive' : count(others, 'other drive')} in use.`
        : others === 0
          ? 'It is the only drive of this set.'
          : `It is one of ${count(others + 1, 'drive')} of this set.`
    about.append(
      el('p', '', `Its label: ${here?.label || 'none'}. ${known}${among}`),
      el(
        'p',
        '',
        'The files on this drive are plain files, under the names and in the folders that they had where they ',
        'came from. No program is needed to open them. This page only tells what is where; it needs no network.',
      ),
      el(
        'p',
        'dim',
        `As of ${day(facts.made)}, when this drive was last closed: drives that were written later know more.`,
      ),
    )
  }

  // The drives.
  const COLOURS = [
    '#2f6fb7',
    '#c2571a',
    '#3f8f4f',
    '#8b5fbf',
    '#b03a5b',
    '#8a6d1d',
    '#1f8a8a',
    '#7a7f87',
  ]
  const OTHER = '#a9b1ba'
  for (const volume of facts.volumes) {
    const { number, capacity, available, largest } = volume
    const used = capacity > 0 ? Math.max(0, capacity - available) : volume.bytes
    const whole = capacity > 0 ? capacity : Math.max(1, used)
    const card = el('li', number === facts.volume ? 'this' : '')
    card.append(el('h3', '', title(driveName(number))))
    if (number === facts.volume) card.append(el('p', 'here', 'This drive'))
    if (volume.fate === 'lost') card.append(el('p', 'bad', 'Lost: nothing on it counts any more.'))
    if (volume.fate === 'retired') card.append(el('p', 'dim', 'Retired: no longer in use.'))
    const percent = Math.round(fraction(used, whole))
    const bar = el('div', 'bar')
    bar.setAttribute('role', 'img')
    bar.setAttribute(
      'aria-label',
      capacity > 0 ? `${percent} percent full` : `${bytes(used)} on it`,
    )
    const list = el('ul', 'dirs')
    const fill = (size, colour) => {
      const piece = el('i')
      piece.style.width = `${fraction(size, whole)}%`
      piece.style.background = colour
      bar.append(piece)
    }
    const explain = (colour, name, amount) => {
      const key = el('span', 'key')
      key.style.background = colour
      key.setAttribute('aria-hidden', 'true')
      list.append(el('li', '', el('span', '', key, name), el('span', 'dim', amount)))
    }
    let rest = used
    largest.forEach((directory, n) => {
      const colour = COLOURS[n % COLOURS.length]
      const size = Math.min(rest, directory.bytes)
      rest -= size
      fill(size, colour)
      const amount = `${bytes(directory.bytes)}, ${count(directory.files, 'file')}`
      explain(colour, directory.path, amount)
    })
    if (rest > 0) fill(rest, OTHER)
    if (largest.length > 0 && rest > used / 100) explain(OTHER, 'everything else', bytes(rest))
    card.append(bar)
    card.append(
      el(
        'p',
        '',
        `${count(volume.files, 'file')}, ${bytes(volume.bytes)}`,
        capacity > 0 ? `; ${percent} % full, ${bytes(available)} of ${bytes(capacity)} free` : '',
      ),
    )
    if (largest.length > 0) card.append(list)
    const details = []
    if (volume.written) details.push(`Last written ${day(volume.written)}`)
    if (!volume.complete && volume.fate === '') details.push('something is still to come')
    if (facts.copies > 1) details.push(`copy ${volume.copy} of ${facts.copies}`)
    if (details.length > 0) card.append(el('p', 'dim', `${details.join('; ')}.`))
    const { verified } = volume
    if (verified === undefined) card.append(el('p', 'dim', 'Never checked.'))
    else if (verified.bad > 0)
      card.append(
        el(
          'p',
          'bad',
          `Checked ${day(verified.date)}: ${count(verified.bad, 'entry is', 'entries are')} not good.`,
        ),
      )
    else card.append(el('p', 'dim', `Checked ${day(verified.date)}: all good (${verified.kind}).`))
    $('volumes').append(card)
  }

  // Checking and restoring.
  const command = (...lines) => el('pre', '', lines.join('\n'))
  if (isReport) {
    $('check-section').hidden = true
  } else {
    const { checks } = facts
    const lines = []
    if (checks.sha256 > 0) lines.push('sha256sum -c --quiet .mvcopy/SHA256SUMS')
    if (checks.blake3 > 0) lines.push('b3sum -c --quiet .mvcopy/B3SUMS')
    $('check').append(
      ...(lines.length > 0
        ? [
            el(
              'p',
              '',
              'In a terminal, in the folder of this drive (it prints what is not as it was written, and nothing when all is well):',
            ),
            command(...lines),
            el('p', '', 'Or with multivolumecopy, which checks sizes, times and owners, too:'),
          ]
        : [el('p', '', 'With multivolumecopy (DRIVE is the folder where this drive is mounted):')]),
      command('multivolumecopy verify -o DRIVE'),
    )
  }
  $('restore').append(
    el(
      'p',
      '',
      'Copy what you want with any file manager. To bring back everything, do this with each drive (DRIVE is the folder where it is mounted):',
    ),
    command(
      `rsync -aH --exclude=/.mvcopy${isReport || facts.root === './' ? ' --exclude=/START-HERE.html' : ''} DRIVE/ /where/they/belong/`,
    ),
    el(
      'p',
      '',
      'With multivolumecopy, which asks for the drives that are needed and checks each file:',
    ),
    command('multivolumecopy restore -o DRIVE --to /where/they/belong'),
  )
  const time = (date) => (date ? `${date.slice(0, 10)} ${date.slice(11, 16)}` : '–')
  /** A table of what was done, where something was: rows of cells, below a heading or a line. */
  const past = (above, columns, rows) => {
    if (rows.length === 0) return
    const heads = columns.map((name) => {
      const head = el('th', '', name)
      head.scope = 'col'
      return head
    })
    const lines = rows.map((cells) => el('tr', '', ...cells))
    const table = el(
      'table',
      '',
      el('thead', '', el('tr', '', ...heads)),
      el('tbody', '', ...lines),
    )
    $('runs').append(above, table)
    $('runs-section').hidden = false
  }
  past(
    el('p', 'dim', 'Times are UTC.'),
    ['Run', 'Began', 'Ended', 'How it ended'],
    facts.runs.map((run) => [
      el('td', '', String(run.number)),
      el('td', '', time(run.began)),
      el('td', '', time(run.ended)),
      el('td', '', run.outcome || 'unfinished'),
    ]),
  )
  past(
    el('h3', '', 'Checks of whole drives'),
    ['Drive', 'Checked', 'How', 'Not good'],
    facts.history.map((check) => [
      el('td', '', title(driveName(check.volume))),
      el('td', '', time(check.date)),
      el('td', '', check.kind),
      el('td', check.bad > 0 ? 'bad' : '', String(check.bad)),
    ]),
  )
  const sources = el('ul')
  for (const source of facts.sources) {
    sources.append(
      el(
        'li',
        '',
        source.path,
        el(
          'span',
          'dim',
          source.prefix ? ` – on the drives in ${source.prefix}` : ' – on the drives at the top',
        ),
      ),
    )
  }
  $('sources').append(
    sources,
    el(
      'p',
      'dim',
      `Set ${facts.set}, id ${facts.id}. ${count(facts.entries, 'entry', 'entries')} in the list. Written by ${facts.tool}.`,
    ),
  )

  // The search. A part is text: see docs/formats.md. Parts are loaded one after another, when first needed.
  const inside = Array.from(document.querySelectorAll('script.part'))
  const total = Math.max(inside.length, facts.parts.length)
  const texts = new Array(total)
  window.mvcopyPart = (number, text) => {
    texts[number] = `\n${text}`
  }
  // What is being loaded, by number: a search that comes meanwhile waits for the same.
  const loading = new Map()
  const load = async (number) => {
    if (number >= total || texts[number] !== undefined) return texts[number]
    if (number < inside.length) {
      texts[number] = `\n${JSON.parse(inside[number].textContent)}`
      inside[number].remove()
      return texts[number]
    }
    if (!loading.has(number)) {
      const script = document.createElement('script')
      const arrives = new Promise((done, failed) => {
        script.charset = 'utf-8'
        script.src = facts.base + encodeURIComponent(facts.parts[number])
        script.onload = () =>
          texts[number] === undefined ? failed(new Error('empty')) : done(texts[number])
        script.onerror = () => failed(new Error('missing'))
        document.head.append(script)
      })
      const end = () => {
        loading.delete(number)
        script.remove()
      }
      arrives.then(end, end)
      loading.set(number, arrives)
    }
    return loading.get(number)
  }
  // Whoever goes to the box is about to search: the parts come while the words are typed.
  const prepare = async () => {
    for (let number = 0; number < total; number += 1) {
      await load(number).catch(() => {})
      await new Promise((next) => setTimeout(next))
    }
  }
  const literal = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
  const spelled = (text) => {
    const forms = [...new Set([text, text.normalize('NFC'), text.normalize('NFD')])]
    return forms.length === 1 ? literal(text) : `(?:${forms.map(literal).join('|')})`
  }
  /** What a query asks for: a pattern that finds candidates, and all that have to be in the path. */
  const parse = (query) => {
    const words = query
      .trim()
      .split(/\s+/)
      .filter((word) => word !== '')
    // A word may go across a slash; what is looked for first lies between two.
    const piece = words
      .flatMap((word) => word.split('/'))
      .reduce((best, one) => (one.length > best.length ? one : best), '')
    return {
      seek: new RegExp(spelled(piece), 'giu'),
      all: words.map((word) => new RegExp(spelled(word), 'iu')),
    }
  }
  /** Hands over what one part has: `hit(directory line, entry line)`. */
  const scan = (text, { seek, all }, hit) => {
    const consider = (directory, from, to) => {
      const line = text.slice(from, to)
      const path = directory.path + line.slice(0, line.indexOf('/'))
      if (all.every((word) => word.test(path))) hit(directory, line)
    }
    const directoryAt = (from) => {
      const to = text.indexOf('\n', from)
      const line = text.slice(from + 1, to)
      const cut = line.lastIndexOf('//')
      const next = text.indexOf('\n/', to)
      return {
        path: cut > 0 ? `${line.slice(0, cut)}/` : '',
        drives: line.slice(cut + 2),
        from,
        to,
        cut: from + 1 + cut,
        next: next < 0 ? text.length - 1 : next,
      }
    }
    let directory = directoryAt(1)
    let whole = false
    seek.lastIndex = 0
    for (let match = seek.exec(text); match !== null; match = seek.exec(text)) {
      const at = match.index
      if (match[0] === '') break
      if (at > directory.next) {
        // The last line that begins with a slash is the directory.
        directory = directoryAt(text.lastIndexOf('\n/', at) + 1)
        whole = false
      }
      if (at <= directory.to) {
        if (at < directory.cut && !whole) {
          whole = true
          let from = directory.to + 1
          while (from < directory.next + 1 && from < text.length) {
            const to = text.indexOf('\n', from)
            consider(directory, from, to)
            from = to + 1
          }
          seek.lastIndex = directory.next
        }
        continue
      }
      const from = text.lastIndexOf('\n', at) + 1
      const to = text.indexOf('\n', at)
      if (at < text.indexOf('/', from)) consider(directory, from, to)
      seek.lastIndex = to
    }
  }
  const STEP = 100
  let search = 0
  let found = []
  let shown = 0
  const status = $('status')
  /** Shows what was found, up to so many; what is shown stays. */
  const show = (until) => {
    const list = $('found')
    for (const { directory, line } of found.slice(shown, until)) {
      const [name, size, time, other, kind, ...alias] = line.split('/')
      const path = directory.path + name
      const item = el('li')
      const where = (other || directory.drives).split(',')
      const isHere = !isReport && where.includes(String(facts.volume))
      const label = el('span', '', el('span', 'dim', directory.path), el('span', 'name', name))
      // A name with a backslash in it is shown otherwise than it is written on the drive.
      if (isHere && alias.length === 0 && !path.includes('\\')) {
        const link = el('a', '', label)
        link.href = facts.root + path.split('/').map(encodeURIComponent).join('/')
        item.append(link)
      } else {
        label.tabIndex = 0
        item.append(label)
      }
      const places = el('div')
      for (const one of where) {
        const planned = one[0] === 'p'
        const number = Number(planned ? one.slice(1) : one)
        const place = el(
          'span',
          'drive',
          title(planned ? `planned for ${driveName(number)}` : driveName(number)),
        )
        if (number === facts.volume && !planned) place.append(el('span', 'here', ' – this drive'))
        places.append(place)
      }
      const what =
        { d: 'empty folder', l: 'link', o: 'special file' }[kind] ??
        bytes(Number.parseInt(size, 36))
      const date = dayOf(Number.parseInt(time, 36))
      places.append(el('span', 'dim', date ? `${what}, ${date}` : what))
      item.append(places)
      if (alias.length > 0) {
        item.append(el('div', 'dim', `Where a drive cannot hold this name: ${alias.join('/')}`))
      }
      list.append(item)
    }
    shown = Math.min(found.length, until)
    $('more').hidden = shown >= found.length
  }
  const KEPT = 10000
  const run = async (query) => {
    search += 1
    const mine = search
    found = []
    shown = 0
    $('found').replaceChildren()
    $('more').hidden = true
    if (query.trim().replaceAll('/', '') === '') {
      status.textContent = ''
      return
    }
    const wanted = parse(query)
    let matches = 0
    let failed = 0
    const tell = (isDone) => {
      const amount =
        matches === 0
          ? isDone
            ? 'Nothing was found'
            : 'Nothing yet'
          : `${count(matches, 'entry', 'entries')} found`
      const some =
        matches > shown && shown > 0 ? `, the first ${shown.toLocaleString('en')} shown` : ''
      const bad =
        failed > 0
          ? ` ${count(failed, 'part')} of the list cannot be read: is the folder .mvcopy beside this page?`
          : ''
      status.textContent = `${amount}${some}${isDone ? '.' : ' – searching…'}${bad}`
    }
    let told = performance.now()
    for (let number = 0; number < total; number += 1) {
      try {
        const text = await load(number)
        if (mine !== search) return
        // The next one comes while this one is looked through.
        load(number + 1).catch(() => {})
        scan(text, wanted, (directory, line) => {
          matches += 1
          if (found.length < KEPT) found.push({ directory, line })
        })
      } catch {
        if (mine !== search) return
        failed += 1
      }
      if (shown < STEP) show(STEP)
      if (performance.now() - told > 500) {
        tell(false)
        told = performance.now()
        // Lets the browser show it, and take keys.
        await new Promise((next) => setTimeout(next))
        if (mine !== search) return
      }
    }
    tell(true)
    document.documentElement.dataset.searched = query
  }
  const query = $('query')
  let timer
  query.addEventListener('focus', prepare, { once: true })
  query.addEventListener('input', () => {
    clearTimeout(timer)
    timer = setTimeout(() => run(query.value), 200)
  })
  query.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return
    clearTimeout(timer)
    run(query.value)
  })
  $('more').addEventListener('click', () => {
    const first = shown
    show(shown + STEP)
    rows()[first]?.focus()
    status.textContent = `${shown.toLocaleString('en')} of ${found.length.toLocaleString('en')} shown.`
  })
  const rows = () => Array.from($('found').querySelectorAll('li > :first-child'))
  document.querySelector('.search').addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && event.target !== query) {
      query.focus()
      return
    }
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return
    const all = rows()
    const at = all.indexOf(document.activeElement)
    const next = at + (event.key === 'ArrowDown' ? 1 : -1)
    event.preventDefault()
    if (next < 0) query.focus()
    else all[Math.min(next, all.length - 1)]?.focus()
  })
})()
