// With many topics the tree comes slowly, all of it; what is on the screen is
// asked for faster, folder by folder. Patterns, not names: an exact name would
// keep a topic alive that nobody else uses.

const many = 50; // topics, from which on it pays
const budget = 150; // readings a second for all that is on the screen
const most = 12; // patterns

export class Focus {
  #now = new Map(); // pattern → rate
  #timer = 0;
  #seen = "";

  constructor(link) {
    this.link = link;
  }

  /** see is told which topics are on the screen, how many there are, and how fast they come anyway. */
  see(topics, all, base) {
    const seen = [base, all.size, ...topics.map((t) => t.name)].join("\n");
    if (seen === this.#seen) return;
    this.#seen = seen;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(topics, all, base), 250); // not while somebody scrolls
  }

  #ask(topics, all, base) {
    const folders = new Map();
    if (all.size > many) {
      for (const t of topics) {
        const at = t.name.lastIndexOf("/");
        if (at > 0 && t.name[0] !== "$" && folders.size < most) folders.set(t.name.slice(0, at), 0);
      }
      for (const name of all.keys()) {
        const parent = name.slice(0, name.lastIndexOf("/")),
          n = folders.get(parent);
        if (n !== undefined) folders.set(parent, n + 1);
      }
    }
    let sum = 0;
    for (const n of folders.values()) sum += n;
    const rate = Math.min(4, Math.round((budget / Math.max(1, sum)) * 10) / 10),
      want = new Set();
    if (rate > base * 1.5) for (const f of folders.keys()) want.add(f + "/+");
    for (const p of this.#now.keys()) if (!want.has(p)) (this.link.drop(p, "focus"), this.#now.delete(p));
    for (const p of want) {
      if (this.#now.get(p) === rate) continue;
      this.#now.set(p, rate);
      this.link.want(p, "focus", { latest: true, rate, last: 1 });
    }
  }
}
