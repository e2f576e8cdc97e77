// Topics as rows: folders that open and close, filtered.

const natural = new Intl.Collator("en", { numeric: true });

function node(label, path) {
  return { label, path, kids: null, topic: null, topics: 0 };
}

function plant(topics) {
  const root = node("", "");
  for (const t of topics) {
    let n = root;
    const parts = t.name.split("/");
    let path = "";
    for (let i = 0; i < parts.length; i++) {
      path = i ? path + "/" + parts[i] : parts[0];
      n.topics++;
      n.kids ||= new Map();
      let k = n.kids.get(parts[i]);
      if (!k) n.kids.set(parts[i], (k = node(parts[i], path)));
      n = k;
    }
    n.topic = t;
  }
  return root;
}

function kidsOf(n) {
  const list = [...n.kids.values()];
  return list.sort((a, b) => (a.topics > 1 ? 1 : 0) - (b.topics > 1 ? 1 : 0) || natural.compare(a.label, b.label));
}

function walk(n, depth, closed, rows) {
  for (let k of kidsOf(n)) {
    if (k.topic) rows.push({ topic: k.topic, label: k.label, depth, path: k.path });
    if (!k.kids) continue;
    if (k.topics === 1) {
      // one topic somewhere below: a/b/c is its row
      let leaf = k;
      while (leaf.kids) [leaf] = leaf.kids.values();
      rows.push({ topic: leaf.topic, label: leaf.path.slice(k.path.length - k.label.length), depth, path: leaf.path });
      continue;
    }
    let label = k.label;
    while (k.kids.size === 1) {
      // one child only: a/b is one row
      const [only] = k.kids.values();
      if (!only.kids || only.topic) break;
      k = only;
      label += "/" + k.label;
    }
    const open = !closed.has(k.path);
    rows.push({ topic: null, label, depth, path: k.path, open, topics: k.topics });
    if (open) walk(k, depth + 1, closed, rows);
  }
}

/**
 * rowsOf lists what is to be shown: rows {topic | null, label, depth, path,
 * open, topics}. flat: no folders.
 */
export function rowsOf(topics, { filter = "", closed = new Set(), flat = false, only = null } = {}) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const some = [];
  for (const t of topics) {
    if (words.length) {
      const name = t.name.toLowerCase();
      if (!words.every((w) => name.includes(w))) continue;
    }
    if (!only || only(t)) some.push(t);
  }
  const rows = [];
  if (flat) {
    some.sort((a, b) => natural.compare(a.name, b.name));
    for (const t of some) rows.push({ topic: t, label: t.name, depth: 0, path: t.name });
  } else if (some.length) {
    walk(plant(some), 0, words.length ? new Set() : closed, rows);
  }
  return rows;
}
