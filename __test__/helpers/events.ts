/** Checks every object of `--json` against the schema in docs/. */

import * as fs from 'node:fs'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'

const file = new URL('../../docs/events.schema.json', import.meta.url)

interface Definition {
  readonly properties?: { readonly type?: { readonly const?: string } }
}

/** The definitions of each type of event, found by its `type`, so that a fault is told in its own words. */
const byType = new Map<string, ValidateFunction[]>()

function load(): void {
  const schema = JSON.parse(fs.readFileSync(file, 'utf8')) as { $defs: Record<string, Definition> }
  const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false })
  ajv.addSchema(schema, 'events')
  for (const [name, definition] of Object.entries(schema.$defs)) {
    const type = definition.properties?.type?.const
    if (type === undefined) continue
    const validate = ajv.compile({ $ref: `events#/$defs/${name}` })
    byType.set(type, [...(byType.get(type) ?? []), validate])
  }
}

/** Why an event does not fit the schema; undefined when it does. */
export function eventFault(event: { readonly type: string }): string | undefined {
  if (byType.size === 0) load()
  const validators = byType.get(event.type)
  if (validators === undefined) return `no event has the type ${event.type}`
  if (validators.some((validate) => validate(event))) return undefined
  const faults = validators.map((validate) =>
    (validate.errors ?? [])
      .map(
        ({ instancePath, message, params }) =>
          `${instancePath} ${message} ${JSON.stringify(params)}`,
      )
      .join('; '),
  )
  return `${JSON.stringify(event)} does not fit docs/events.schema.json: ${faults.join(' | or | ')}`
}
