// Drives a hub from its own OpenAPI document: each operation is called as it is
// documented, and each answer must be as documented, in JSON and in CBOR.
//   node openapi.js http://127.0.0.1:22345 [ADMIN-TOKEN]
// Prints a line for what is wrong, and "N operations, N failed".
import Ajv2020 from 'ajv/dist/2020.js'

const [base, token] = process.argv.slice(2)
const doc = await (await fetch(base + '/api/openapi.json')).json()
const ajv = new Ajv2020({ strict: false })
ajv.addSchema(doc, 'doc')
const deref = x => x?.$ref ? x.$ref.slice(2).split('/').reduce((v, k) => v[k], doc) : x

let calls = 0
let failed = 0
const fail = text => { failed++; console.log(text) }
// validate against a schema where it stands in the document, so that its $refs resolve
function check (name, pointer, value) {
  const v = ajv.getSchema('doc#' + pointer) ?? ajv.compile({ $ref: 'doc#' + pointer })
  if (!v(value)) fail(`${name}: ${ajv.errorsText(v.errors)} in ${JSON.stringify(value).slice(0, 300)}`)
}
const esc = s => encodeURIComponent(s.replaceAll('~', '~0').replaceAll('/', '~1'))

async function call (path, item, method, op, body, accept) {
  calls++
  const name = `${op.operationId} ${body?.[0] ?? ''} → ${accept}`
  const query = new URLSearchParams()
  let p = path
  for (const raw of [...(item.parameters ?? []), ...(op.parameters ?? [])]) {
    const q = deref(raw)
    if (q.required && q.example === undefined) fail(`${name}: ${q.name} has no example`)
    if (q.example === undefined) continue
    if (q.in === 'path') p = p.replace(`{${q.name}}`, encodeURIComponent(q.example))
    if (q.in === 'query') for (const v of [].concat(q.example)) query.append(q.name, v)
  }
  const text = body && (typeof body[1] === 'string' && body[0] !== 'application/json' ? body[1] : JSON.stringify(body[1]))
  const r = await fetch(`${base}${p}?${query}`, {
    method: method.toUpperCase(), headers: { Accept: accept, ...(token && { Authorization: 'Bearer ' + token }), ...(body ? { 'Content-Type': body[0] } : {}) }, body: text,
    signal: AbortSignal.timeout(60000)
  })
  const where = op.responses[r.status] ? r.status : 'default'
  if (where === 'default' && r.status < 400) return fail(`${name}: ${r.status} is not documented`)
  const kind = r.headers.get('content-type').split(';')[0]
  const answer = deref(op.responses[where])
  if (!answer.content[kind]) return fail(`${name}: ${r.status} with ${kind} is not documented`)
  if (kind === 'text/event-stream') {
    const reader = r.body.getReader()
    const { value } = await reader.read()
    await reader.cancel()
    if (!new TextDecoder().decode(value).startsWith('retry: ')) fail(`${name}: no stream`)
    return
  }
  if (!/json|cbor/.test(kind) || kind === 'application/x-ndjson') return void await r.text()
  const at = op.responses[where].$ref?.slice(1) ?? `/paths/${esc(path)}/${method}/responses/${where}`
  const value = kind === 'application/cbor' ? decode(new Uint8Array(await r.arrayBuffer())) : await r.json()
  if (accept === 'application/cbor' && answer.content[accept] && kind !== accept) fail(`${name}: ${kind}`)
  check(name, `${at}/content/${esc(kind)}/schema`, value)
  return r.status
}

// CBOR (RFC 8949) as the hub writes it
function decode (b) {
  let i = 0
  const view = new DataView(b.buffer, b.byteOffset, b.length)
  const half = h => { const e = h >> 10 & 31; const m = h & 1023; return (h >> 15 ? -1 : 1) * (e ? 2 ** (e - 15) * (1 + m / 1024) : 2 ** -14 * m / 1024) }
  const next = () => {
    const major = b[i] >> 5
    const info = b[i++] & 31
    let n = info
    if (info === 24) n = b[i++]
    else if (info === 25) n = view.getUint16((i += 2) - 2)
    else if (info === 26) n = view.getUint32((i += 4) - 4)
    else if (info === 27) n = Number(view.getBigUint64((i += 8) - 8))
    const end = () => info === 31 ? b[i] === 0xff && ++i : n-- === 0
    switch (major) {
      case 0: return n
      case 1: return -1 - n
      case 2: return b.slice(i, i += n)
      case 3: return new TextDecoder('utf-8', { fatal: true }).decode(b.subarray(i, i += n))
      case 4: { const l = []; while (!end()) l.push(next()); return l }
      case 5: { const m = {}; while (!end()) { const k = next(); m[k] = next() } return m }
    }
    if (info === 25) return half(n)
    if (info === 26) return view.getFloat32(i - 4)
    if (info === 27) return view.getFloat64(i - 8)
    return { 20: false, 21: true, 22: null }[info]
  }
  const v = next()
  if (i !== b.length) throw new Error('something stands behind the CBOR')
  return v
}

const order = ['put', 'post', 'get', 'delete']
const ops = Object.entries(doc.paths).flatMap(([path, item]) => order.filter(m => item[m]).map(m => [path, item, m, item[m]]))
ops.sort((a, b) => order.indexOf(a[2]) - order.indexOf(b[2]))
for (const [path, item, method, op] of ops) {
  const bodies = Object.entries(deref(op.requestBody)?.content ?? {}).filter(([, c]) => c.example !== undefined).map(([k, c]) => [k, c.example])
  if (op.requestBody && !bodies.length) fail(`${op.operationId} has no example`)
  for (const [kind, example] of bodies) check(`${op.operationId}'s example`, `/paths/${esc(path)}/${method}/requestBody/content/${esc(kind)}/schema`, example)
  for (const accept of ['application/json', 'application/cbor']) {
    for (const body of bodies.length ? bodies : [undefined]) {
      const status = await call(path, item, method, op, body, accept)
      // what the hub must be able to do with the examples
      if (status >= 400 && !['cut', 'unlisten', 'revokeToken', 'delete', 'createToken', 'openJoin', 'closeJoin'].includes(op.operationId)) fail(`${op.operationId}: ${status}`)
    }
  }
}
console.log(`${calls} calls of ${ops.length} operations, ${failed} failed`)
