// Validates the documents that a hub serves, each with its own community's tool.
//   node documents.js http://127.0.0.1:22345 < frames
// frames: lines of {"rule","name","ok","value"}, a value as cddl.js wants it.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createRequire } from 'node:module'
import { Parser } from '@asyncapi/parser'
import { Validator } from '@seriousme/openapi-schema-validator'
import Ajv from 'ajv'
import formats from 'ajv-formats'
import { parse } from 'cddl'
import { matcher } from './cddl.js'

const base = process.argv[2]
let failed = 0
const fail = text => { failed++; console.log(text) }
const get = async p => {
  const r = await fetch(base + p)
  if (r.status !== 200) fail(`${p}: ${r.status}`)
  return r.text()
}

const openapi = JSON.parse(await get('/api/openapi.json'))
const v = await new Validator().validate(openapi)
if (!v.valid || openapi.openapi !== '3.1.0') fail('openapi: ' + JSON.stringify(v.errors))

const asyncapi = await new Parser().parse(await get('/api/asyncapi.json'))
for (const d of asyncapi.diagnostics) if (d.severity < 2) fail(`asyncapi: ${d.path.join('.')}: ${d.message}`)
if (!asyncapi.document) fail('asyncapi: no document')
else { // each message's example is what its schema says
  const ajv = new Ajv({ strict: false })
  for (const m of asyncapi.document.messages().all()) {
    const check = ajv.compile(m.payload().json())
    for (const e of m.examples().all()) if (!check(e.payload())) fail(`asyncapi: ${m.id()}: ${ajv.errorsText(check.errors)}`)
  }
}

const thing = JSON.parse(await get('/.well-known/wot'))
const schema = createRequire(import.meta.url)('wot-thing-description-types/schema/td-json-schema-validation.json')
const td = formats(new Ajv({ strict: false, validateSchema: false, logger: false })).compile(schema)
if (!td(thing)) fail('wot: ' + JSON.stringify(td.errors))
for (const kind of ['properties', 'actions', 'events']) {
  for (const [name, a] of Object.entries(thing[kind])) for (const f of a.forms) if (!f.href.startsWith(base + '/')) fail(`wot: ${name}: ${f.href}`)
}

const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'cddl-')), 'topicd.cddl') // the parser reads files
fs.writeFileSync(file, await get('/api/topicd.cddl'))
const match = matcher(parse(file))
fs.rmSync(path.dirname(file), { recursive: true })
let n = 0
for (const line of fs.readFileSync(0, 'utf8').split('\n')) {
  if (!line) continue
  const f = JSON.parse(line)
  n++
  if (match(f.rule, f.value) !== f.ok) fail(`cddl: ${f.name} is ${f.ok ? 'no' : 'a'} ${f.rule}: ${JSON.stringify(f.value)}`)
}
console.log(`${n} frames, ${failed} failed`)
