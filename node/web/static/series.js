// Points of a plot: what came of one field of one topic, in order, with its gaps.

import { decimals } from "./reading.js";

const most = 30000; // points kept
const pieces = 6; // pieces of a line that are drawn

// The first place behind all in list[from:to] that is x or less.
function place(list, x, from = 0, to = list.length) {
  while (from < to) {
    const m = (from + to) >> 1;
    if (list[m] <= x) from = m + 1;
    else to = m;
  }
  return from;
}

/**
 * Series is one line. Between points a gap is a hole in the numbers, or in time.
 * Where the time goes back, because the hub's clock was set, a new piece of line
 * begins at its own time.
 */
export class Series {
  digits = 0; // decimals that its values come with
  steps = false; // on or off: nothing lies between
  #cuts = null; // where pieces begin, found when it is needed
  #holes = null; // so too

  constructor(name, field, unit) {
    this.name = name;
    this.field = field; // "" = the reading's only one
    this.unit = unit;
    this.label = field ? name + " " + field : name;
    this.t = []; // seconds since 1970
    this.v = []; // numbers, and BigInts that no number can hold
    this.seq = []; // their numbers; where one is missing is a gap
    this.base = 0; // added to the hub's numbers, which a restart lets begin again
    this.change = 0;
  }

  /**
   * add puts a reading where its number belongs: what is live may come before
   * what is stored. A live one with a number that was there is of a topic that
   * was deleted and made anew.
   */
  add(seq, ts, value, live) {
    const n = this.seq.length,
      x = ts / 1000;
    if (live && n && seq + this.base <= this.seq[n - 1]) {
      if (seq + this.base === this.seq[n - 1] && x === this.t[n - 1]) return;
      this.restart();
    }
    const known = this.base && !live ? this.t.indexOf(x) : -1;
    if (known >= 0 && this.seq[known] < this.base) return; // a durable topic's, from before the restart
    seq += this.base;
    const at = n && this.seq[n - 1] > seq ? place(this.seq, seq) : n;
    if (at > 0 && this.seq[at - 1] === seq) return;
    this.change++;
    this.#cuts = this.#holes = null;
    if (this.digits < 4) this.digits = Math.max(this.digits, decimals(value));
    if (at === n) {
      this.seq.push(seq);
      this.t.push(x);
      this.v.push(value);
    } else {
      this.seq.splice(at, 0, seq);
      this.t.splice(at, 0, x);
      this.v.splice(at, 0, value);
    }
    if (n >= most) for (const list of [this.seq, this.t, this.v]) list.splice(0, most / 10);
  }

  /** restart: what was drawn stays, with a gap behind it. */
  restart() {
    this.base = (this.seq.at(-1) ?? -1) + 1;
  }

  // [from, to) of each piece, oldest first.
  #pieces() {
    if (!this.#cuts) {
      const cuts = [0];
      for (let i = 1; i < this.t.length; i++) if (this.t[i] < this.t[i - 1]) cuts.push(i);
      this.#cuts = cuts.map((from, i) => [from, cuts[i + 1] ?? this.t.length]);
    }
    return this.#cuts;
  }

  /** holes are the places of readings before which others are missing: the first, and all behind gaps. */
  holes() {
    if (!this.#holes) {
      this.#holes = [0];
      for (let i = 1; i < this.seq.length; i++) if (this.seq[i] !== this.seq[i - 1] + 1) this.#holes.push(i);
    }
    return this.#holes;
  }

  /** tables are [times, values] of each piece between two times, the newest first, with a null in each gap. */
  tables(from = -Infinity, to = Infinity) {
    const pause = this.#pause(),
      list = [];
    for (const [begin, end] of this.#pieces().slice(-pieces).reverse()) {
      const a = Math.max(begin, place(this.t, from, begin, end) - 1),
        b = Math.min(end, place(this.t, to, begin, end) + 1);
      if (a < b) list.push(this.#table(a, b, pause));
    }
    return list;
  }

  #table(from, to, pause) {
    const xs = [],
      ys = [];
    for (let i = from; i < to; i++) {
      let x = this.t[i];
      if (i > from) {
        const before = xs.at(-1);
        x = Math.max(x, before + 1e-4); // several in one millisecond
        if (this.seq[i] !== this.seq[i - 1] + 1 || x - before > pause) {
          xs.push(Math.min(before + 1e-3, (before + x) / 2));
          ys.push(null);
        }
      }
      xs.push(x);
      ys.push(Number(this.v[i]));
    }
    return [xs, ys];
  }

  // Ten times the usual distance is a pause, and at least ten seconds.
  #pause() {
    const n = this.t.length,
      d = [];
    for (let i = Math.max(1, n - 400); i < n; i += 1 + (n > 200)) {
      const step = this.t[i] - this.t[i - 1];
      if (step >= 0) d.push(step);
    }
    if (d.length < 4) return Infinity;
    d.sort((a, b) => a - b);
    return Math.max(10, 10 * d[d.length >> 1]);
  }

  /** at is the value that holds at a time, of the newest piece that was there. */
  at(x) {
    const all = this.#pieces();
    for (let i = all.length - 1; i >= 0; i--) {
      const [from, to] = all[i],
        at = place(this.t, x, from, to);
      if (at > from) return this.v[at - 1];
    }
    return NaN;
  }

  /** stats are of what lies between two times. */
  stats(from, to) {
    const s = { n: 0, min: NaN, max: NaN, mean: NaN };
    let sum = 0;
    for (const [begin, end] of this.#pieces()) {
      for (let i = end - 1; i >= begin && this.t[i] >= from; i--) {
        if (this.t[i] > to) continue;
        const v = this.v[i];
        if (!s.n++) s.min = s.max = v;
        sum += Number(v);
        if (v < s.min) s.min = v;
        if (v > s.max) s.max = v;
      }
    }
    if (s.n) s.mean = sum / s.n;
    return s;
  }

  /** share is for how much of the time between two times the value was such (not 0), and how often it became so (n). */
  share(from, to, such = (v) => v) {
    let on = 0,
      all = 0,
      n = 0,
      was = false;
    const list = this.#pieces();
    list.forEach(([begin, end], k) => {
      for (let i = begin; i < end; i++) {
        const till = i + 1 < end ? this.t[i + 1] : k === list.length - 1 ? to : this.t[i],
          time = Math.min(till, to) - Math.max(this.t[i], from);
        if (time <= 0) continue;
        all += time;
        const is = Boolean(such(this.v[i]));
        if (is) on += time;
        if (is && !was) n++;
        was = is;
      }
    });
    return { share: all ? on / all : NaN, n };
  }
}

/** Words are the last readings of a topic that says no numbers, newest first. */
export class Words {
  list = [];
  change = 0;
  base = 0;

  add(m) {
    const newest = this.list[0];
    if (m.live && newest && m.seq + this.base <= newest.seq) {
      if (m.seq + this.base === newest.seq && m.ts === newest.ts) return;
      this.restart(); // deleted and made anew
    }
    const seq = m.seq + this.base;
    if (!m.live && this.list.some((w) => w.seq < this.base && w.ts === m.ts)) return; // durable
    let at = 0;
    while (at < this.list.length && this.list[at].seq > seq) at++;
    if (this.list[at]?.seq === seq) return;
    this.list.splice(at, 0, { seq, ts: m.ts, data: m.data });
    if (this.list.length > 100) this.list.pop();
    this.change++;
  }

  /** restart: the hub's numbers begin again. */
  restart() {
    this.base = (this.list[0]?.seq ?? -1) + 1;
  }
}
