// Does a value fit a rule of a CDDL file (RFC 8610)? As much of it as
// topicd.cddl uses, over the syntax tree of the npm package cddl. A key belongs
// to the first member that takes it, which is what the cuts in the file say.
//
// A value is null, true, "text", {int: "7"}, {float: 1.5}, {bytes: n}, {list: […]}
// or {map: [[key, value], …]}.
export function matcher (tree) {
  const rules = new Map(tree.map(r => [r.Name, r]))
  const int = v => v?.int !== undefined ? BigInt(v.int) : undefined
  const prelude = {
    any: () => true,
    tstr: v => typeof v === 'string',
    bstr: v => v?.bytes !== undefined,
    bool: v => typeof v === 'boolean',
    int: v => int(v) !== undefined,
    uint: v => int(v) >= 0n,
    number: v => int(v) !== undefined || v?.float !== undefined
  }
  const size = v => typeof v === 'string' ? Buffer.byteLength(v) : v.bytes

  function type (t, v) {
    if (typeof t === 'string') return rule(t, v)
    const range = t.Type === 'range' && t.Value
    if (range) return int(v) >= BigInt(range.Min.Value) && int(v) <= BigInt(range.Max.Value)
    if (t.Type === 'literal') return typeof t.Value === 'number' ? int(v) === BigInt(t.Value) : v === t.Value
    if (t.Type === 'array') return Array.isArray(v?.list) && list(t.Values, v.list)
    if (t.Type === 'group' && t.Properties) return map(t.Properties, v)
    if (!rule(t.Type === 'group' ? t.Value : t.Type, v)) return false
    if (t.Operator?.Type === 'size') {
      const r = t.Operator.Value.Value
      return size(v) >= r.Min.Value && size(v) <= r.Max.Value
    }
    if (t.Operator) throw new Error(`operator ${t.Operator.Type}`)
    return true
  }

  const some = (types, v) => [].concat(types).some(t => type(t, v))

  function rule (name, v) {
    const r = rules.get(name)
    if (!r) {
      if (!prelude[name]) throw new Error(`no rule ${name}`)
      return prelude[name](v)
    }
    if (r.Type === 'group') return map(r.Properties, v)
    if (r.Type === 'array') return Array.isArray(v?.list) && list(r.Values, v.list)
    return some(r.PropertyType, v)
  }

  function list (members, items) { // one member with an occurrence
    const { n, m } = members[0].Occurrence
    return items.length >= n && (m == null || items.length <= m || m === Infinity) && items.every(v => some(members[0].Type, v))
  }

  // The tree does not tell the key name from the rule name: our rules for keys
  // have names of their own.
  const takes = (member, key) => /^([ks]-|other$|tstr$)/.test(member.Name) ? rule(member.Name, key) : key === member.Name

  function map (members, v) {
    if (!v?.map) return false
    const seen = new Map()
    for (const [key, value] of v.map) {
      const member = members.find(m => takes(m, key))
      if (!member || !some(member.Type, value)) return false
      seen.set(member, (seen.get(member) ?? 0) + 1)
    }
    return members.every(m => {
      const k = seen.get(m) ?? 0
      return k >= m.Occurrence.n && (m.Occurrence.m == null || k <= m.Occurrence.m)
    })
  }
  return rule
}
