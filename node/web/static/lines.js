// What a plot shows: the readings of some topics, from what is stored on, for as
// long as somebody looks.

import { colourOf } from "./look.js";
import { limitsOf } from "./limits.js";
import { Series, Words } from "./series.js";

const dashes = [undefined, [8, 5], [2, 4], [10, 4, 2, 4]]; // of a topic's further fields, beside other topics

/** most topics at a time. */
export const most = 8;

/** Lines holds at most eight topics for an owner. on.failed(text) is told of what is missing. */
export class Lines {
  names = [];
  #series = new Map(); // name → {lines: Map(field → Series), words, far}

  constructor(page, owner, say) {
    this.page = page;
    this.owner = owner;
    this.say = say;
  }

  /** set has these topics, from so many seconds ago on. */
  set(names, span) {
    names = names.slice(0, most);
    for (const n of this.names) if (!names.includes(n)) this.#drop(n);
    const fresh = names.filter((n) => !this.names.includes(n));
    this.names = names;
    for (const n of fresh) this.#want(n, Math.max(900, span));
  }

  #drop(name) {
    this.page.link.drop(name, this.owner);
    this.#series.delete(name);
  }

  #want(name, far) {
    this.#series.set(name, { lines: new Map(), words: new Words(), far });
    this.page.link.want(
      name,
      this.owner,
      { since: -far },
      {
        ok: (m, anew) => {
          if (anew) this.#anew(this.#series.get(name));
          if (m.data.gap) this.say?.(tr("{0} readings of {1} are no longer stored.", m.data.gap, name));
        },
        refused: (e) => this.say?.(name + ": " + e.msg),
      },
    );
  }

  /** reach has what is stored of so many seconds ago. */
  reach(seconds) {
    for (const [name, s] of this.#series) {
      if (seconds < s.far * 1.02) continue;
      s.far = Math.ceil(seconds * 1.5); // asked for again, from further back
      this.page.link.want(name, this.owner, { since: -s.far });
    }
  }

  /** take adds a reading, if it is one of ours. */
  take(m) {
    const s = this.#series.get(m.topic);
    if (!s) return;
    const all = this.page.fields(m.data);
    for (const f of all) {
      let line = s.lines.get(f.name);
      if (!line) s.lines.set(f.name, (line = new Series(m.topic, all.length > 1 ? f.name : "", f.unit)));
      line.steps ||= Boolean(f.word);
      line.add(m.seq, m.ts, f.value, m.live);
    }
    if (!all.length) s.words.add(m);
  }

  /** restart: the hub's numbers begin again. */
  restart() {
    for (const s of this.#series.values()) this.#anew(s);
  }

  #anew(s) {
    for (const line of s?.lines.values() || []) line.restart();
    s?.words.restart();
  }

  /** words are those of a topic without numbers. */
  words(name) {
    return this.#series.get(name)?.words;
  }

  /** list is the lines, with their colours and limits. */
  list(dark) {
    const list = [];
    this.names.forEach((n, i) => {
      let k = 0;
      for (const line of this.#series.get(n)?.lines.values() || []) {
        line.colour = colourOf(i + (this.names.length === 1 ? k : 0), dark);
        line.dash = this.names.length === 1 ? undefined : dashes[k];
        line.limits = limitsOf(n, line.field);
        if (k++ < 4) list.push(line);
      }
    });
    return list;
  }
}
