// What is on the wall, in order: tiles, which also stand above the tree, and plots.
// The address of a wall says all of it, with its limits and units.

import { keep, lend, recall } from "./layout.js";
import { most as lines } from "./lines.js";

const most = 32; // tiles and plots

const write = (name) => encodeURIComponent(name).replaceAll("%2F", "/");
const read = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** parse reads the address of a wall: {items, span, kiosk, limits, units}. + and : are in no name. */
export function parse(query) {
  const wall = { items: [], span: 0, kiosk: false, limits: {}, units: {} };
  for (const part of query.split("&")) {
    const at = (part + "=").indexOf("="),
      key = part.slice(0, at),
      text = part.slice(at + 1);
    if (key === "tile" && text) wall.items.push(["tile", read(text)]);
    else if (key === "plot" && text) wall.items.push(["plot", ...new Set(text.split("+").filter(Boolean).map(read).slice(0, lines))]);
    else if (key === "span") wall.span = Math.min(Math.max(Number(text) || 0, 0), 86400 * 30);
    else if (key === "kiosk") wall.kiosk = true;
    else if (key === "limit") {
      const [name, ...values] = text.split(":"),
        [low, high] = values.map((v) => (v === "" || !Number.isFinite(Number(v)) ? null : Number(v)));
      wall.limits[read(name)] = [low ?? null, high ?? null];
    } else if (key === "unit") {
      const [kind, unit] = text.split(":").map(read);
      if (unit) wall.units[kind] = unit;
    }
  }
  wall.items = wall.items.slice(0, most);
  return wall;
}

/** format writes it. */
export function format({ items, span, kiosk, limits, units }) {
  const list = items.map(([kind, ...names]) => kind + "=" + names.map(write).join("+"));
  if (span) list.push("span=" + Math.round(span));
  const names = new Set(items.flatMap((i) => i.slice(1)));
  for (const [key, [low, high]] of Object.entries(limits))
    if (names.has(key.split("\n")[0])) list.push("limit=" + write(key) + ":" + (low ?? "") + ":" + (high ?? ""));
  for (const [kind, unit] of Object.entries(units)) if (unit) list.push("unit=" + kind + ":" + write(unit));
  if (kiosk) list.push("kiosk");
  return list.join("&");
}

const natural = new Intl.Collator("en", { numeric: true });

/** choose is a wall for who has not made one: a tile or two of each unit, plots of what there is most of. */
export function choose(topics) {
  const units = new Map();
  const good = [...topics].filter((t) => t.name[0] !== "$" && t.fields.length === 1 && !t.fields[0].word);
  const own = (t) => t.name.startsWith("gateway/"); // what the hub tells of its own machine comes last
  for (const t of good.sort((a, b) => own(a) - own(b) || natural.compare(a.name, b.name))) units.set(t.unit, [...(units.get(t.unit) || []), t.name]);
  const others = (names) => names.filter((n) => !own({ name: n })).length;
  const groups = [...units]
    .sort((a, b) => Boolean(b[0]) - Boolean(a[0]) || others(b[1]) - others(a[1]) || b[1].length - a[1].length)
    .map(([, names]) => (others(names) ? names.filter((n) => !own({ name: n })) : names));
  const tiles = [];
  for (let i = 0; tiles.length < 8 && groups.some((g) => g[i]); i++) for (const g of groups) if (g[i] && tiles.length < 8) tiles.push(g[i]);
  tiles.sort((a, b) => own({ name: a }) - own({ name: b }) || natural.compare(a, b));
  return [...tiles.map((n) => ["tile", n]), ...groups.slice(0, 4).map((g) => ["plot", ...g.slice(0, 3)])];
}

/** Pins is the wall of this browser. changed() is called with each change a person makes. */
export class Pins {
  #chosen = [];
  #births = -1;
  #next = 0; // when it chooses again
  change = 0; // counts what there is to build anew

  constructor(topics, changed) {
    this.topics = topics;
    this.changed = changed;
  }

  get own() {
    return recall("wall", null);
  }
  get items() {
    return this.own || this.#chosen;
  }
  get tiles() {
    return this.items.filter((i) => i[0] === "tile").map((i) => i[1]);
  }
  get span() {
    return recall("wallspan", 900);
  }

  /** look chooses, as long as nobody did and not much is known yet. */
  look() {
    const now = performance.now();
    if (this.own || this.#births === this.topics.births || this.#chosen.length > 10 || now < this.#next) return;
    this.#births = this.topics.births;
    this.#next = now + this.topics.all.size / 2; // of ten thousand it takes a tenth of a second
    const chosen = choose(this.topics.all.values());
    if (JSON.stringify(chosen) === JSON.stringify(this.#chosen)) return;
    this.#chosen = chosen;
    this.change++;
  }

  at(item) {
    const key = JSON.stringify(item);
    return this.items.findIndex((i) => JSON.stringify(i) === key);
  }

  /** toggle puts a tile or a plot on the wall, or takes it off; false: the wall is full. */
  toggle(item) {
    const at = this.at(item),
      list = [...(this.own || [])]; // what was chosen for nobody is not what somebody pins
    if (at >= 0 && this.own) list.splice(at, 1);
    else if (list.length >= most) return false;
    else if (!list.some((i) => JSON.stringify(i) === JSON.stringify(item))) list.push(item);
    this.set(list);
    return true;
  }

  /** move puts one of the items before or behind its neighbour of the same kind; by = 0 takes it off. */
  move(item, by) {
    const list = [...this.items],
      at = list.indexOf(item);
    if (at < 0) return; // pressed twice
    list.splice(at, 1);
    if (by) {
      let to = at + by;
      while (this.items[to] && this.items[to][0] !== item[0]) to += by;
      list.splice(Math.max(0, to), 0, item);
    }
    this.set(list);
  }

  set(items) {
    keep("wall", items);
    this.change++;
    this.changed();
  }

  setSpan(span) {
    keep("wallspan", span);
    this.changed();
  }

  /** take shows what an address says. */
  take(query) {
    const wall = parse(query);
    if (wall.items.length && JSON.stringify(wall.items) !== JSON.stringify(this.items)) (keep("wall", wall.items), this.change++);
    if (wall.span && wall.span !== this.span) (keep("wallspan", wall.span), this.change++);
    if (Object.keys(wall.limits).length) lend("limits", { ...recall("limits", {}), ...wall.limits });
    if (Object.keys(wall.units).length) lend("units", { ...recall("units", {}), ...wall.units });
    return wall.kiosk;
  }

  /** query is the address. */
  query(kiosk) {
    return format({ items: this.own || [], span: this.span, kiosk, limits: recall("limits", {}), units: recall("units", {}) });
  }
}
