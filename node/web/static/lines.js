// What a plot shows: the readings of some topics, from what is stored on, for as
// long as somebody looks.

import { History } from "./history.js";
import { colourOf } from "./look.js";
import { limitsOf } from "./limits.js";
import { Series, Words } from "./series.js";

const dashes = [undefined, [8, 5], [2, 4], [10, 4, 2, 4]]; // of a topic's further fields, beside other topics

const fresh = 21600; // seconds from which on all readings are wanted: before them steps will do

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
    const added = names.filter((n) => !this.names.includes(n));
    this.names = names;
    this.seconds = Math.max(900, span);
    for (const n of added) this.#want(n, Math.max(900, span));
  }

  #drop(name) {
    this.page.link.drop(name, this.owner);
    this.#series.delete(name);
  }

  #want(name, far) {
    this.#series.set(name, { lines: new Map(), words: new Words(), history: new History(this.page, name), far });
    this.#ask(name, Math.min(far, fresh));
  }

  #ask(name, seconds) {
    const on = {
      ok: (m) => {
        if (!m.data.gap) return;
        this.#series.get(name)?.history.forget(); // it has what was missed, a night say
        this.say?.(tr("{0} readings of {1} are no longer stored.", m.data.gap, name));
      },
      refused: (e) => this.say?.(name + ": " + e.msg),
    };
    this.page.link.want(name, this.owner, { since: -seconds }, on);
  }

  /** reach has what is stored of so many seconds ago. */
  reach(seconds) {
    this.seconds = Math.max(900, seconds);
    seconds = Math.min(seconds, fresh);
    for (const [name, s] of this.#series) {
      if (seconds < s.far * 1.02) continue;
      s.far = Math.ceil(seconds * 1.5); // asked for again, from further back
      this.#ask(name, s.far);
    }
  }

  /** take adds a reading, if it is one of ours. */
  take(m) {
    const s = this.#series.get(m.topic);
    if (!s) return;
    const all = this.page.fields(m.data);
    for (const f of all) {
      let line = s.lines.get(f.name);
      if (!line && s.lines.size === 8) continue; // four are drawn; some have other names each time
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
    s?.history.forget();
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
      const { lines, history } = this.#series.get(n) || {};
      if (lines?.size) history.ask(this.seconds);
      for (const line of lines?.values() || []) {
        line.past = history;
        line.colour = colourOf(i + (this.names.length === 1 ? k : 0), dark);
        line.dash = this.names.length === 1 ? undefined : dashes[k];
        line.limits = limitsOf(n, line.field);
        if (k++ < 4) list.push(line);
      }
    });
    return list;
  }
}
