// Writes an SBOM of what is published, in CycloneDX 1.6: `node scripts/release/sbom.mjs FILE`.
//
// The same components as in THIRD-PARTY-NOTICES, with the checksums of the lock files. Nothing random and
// no date is in it: the same lock files give the same bytes.

import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { components, manifest } from './components.mjs'

/** The SBOM as an object. */
export function sbom() {
  const { name, version, license } = manifest
  const purl = `pkg:npm/${name}@${version}`
  const parts = components()
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        type: 'application',
        name,
        version,
        purl,
        'bom-ref': purl,
        licenses: [{ license: { id: license } }],
      },
    },
    components: parts.map((part) => ({
      type: 'library',
      name: part.name,
      ...(part.version === '' ? {} : { version: part.version }),
      purl: part.purl,
      'bom-ref': part.purl,
      licenses: [{ expression: part.licence }],
      ...(part.hash ? { hashes: [part.hash] } : {}),
    })),
    dependencies: [{ ref: purl, dependsOn: parts.map((part) => part.purl) }],
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  fs.writeFileSync(process.argv[2] ?? 'sbom.cdx.json', `${JSON.stringify(sbom(), null, 2)}\n`)
}
