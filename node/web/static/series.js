// Points of a plot: what came of one field of one topic, in order, with its gaps.

import { decimals } from "./reading.js";

const most = 30000; // points kept

// The first place behind all that is x or less.
function place(list, x) {
  let lo = 0,
    hi = list.length;
  while (lo < hi) {
    const m = (lo + hi) >> 1;
    if (list[m] <= x) lo = m + 1;
    else hi = m;
  }
  return lo;
}

/** together is the tables of several series over all their times; a gap stays one, whatever others have in it. */
export function together(join, tables) {
  const data = join(tables);
  for (const ys of data.slice(1)) {
    let gap = false;
    for (let i = 0; i < ys.length; i++) {
      if (ys[i] === null) gap = true;
      else if (ys[i] !== undefined) gap = false;
      else if (gap) ys[i] = null;
    }
  }
  return data;
}

/** Series is one line. Between points a gap is a hole in the numbers, or in time. */
export class Series {
  digits = 0; // decimals that its values come with
  steps = false; // on or off: nothing lies between

  constructor(name, field, unit) {
    this.name = name;
    this.field = field; // "" = the reading's only one
    this.unit = unit;
    this.label = field ? name + " " + field : name;
    this.t = []; // seconds since 1970, as uPlot wants them
    this.v = [];
    this.seq = []; // their numbers; where one is missing is a gap
    this.base = 0; // added to the hub's numbers, which a restart lets begin again
    this.change = 0;
  }

  /** add puts a reading where its number belongs: what is live may come before what is stored. */
  add(seq, ts, value) {
    let at = this.seq.length;
    if (at > 0 && seq + this.base <= this.seq[at - 1] && ts / 1000 > this.t[at - 1]) this.restart(); // deleted and made anew
    seq += this.base;
    if (at > 0 && this.seq[at - 1] > seq) at = place(this.seq, seq);
    if (at > 0 && this.seq[at - 1] === seq) return;
    let x = ts / 1000;
    if (at > 0 && x <= this.t[at - 1]) x = this.t[at - 1] + 1e-4; // several in one millisecond
    if (at < this.t.length && x >= this.t[at]) x = this.t[at] - 1e-5;
    this.change++;
    if (this.digits < 4) this.digits = Math.max(this.digits, decimals(value));
    if (at === this.seq.length) {
      this.seq.push(seq);
      this.t.push(x);
      this.v.push(value);
    } else {
      this.seq.splice(at, 0, seq);
      this.t.splice(at, 0, x);
      this.v.splice(at, 0, value);
    }
    if (this.t.length > most) for (const list of [this.seq, this.t, this.v]) list.splice(0, most / 10);
  }

  /** restart: what was drawn stays, with a gap behind it. */
  restart() {
    this.base = (this.seq.at(-1) ?? -1) + 1;
  }

  /** table is [times, values] with a null in each gap. */
  table() {
    const n = this.t.length,
      pause = this.#pause(),
      xs = [],
      ys = [];
    for (let i = 0; i < n; i++) {
      if (i && (this.seq[i] !== this.seq[i - 1] + 1 || this.t[i] - this.t[i - 1] > pause)) {
        xs.push(Math.min(this.t[i - 1] + 1e-3, (this.t[i - 1] + this.t[i]) / 2));
        ys.push(null);
      }
      xs.push(this.t[i]);
      ys.push(this.v[i]);
    }
    return [xs, ys];
  }

  // Ten times the usual distance is a pause, and at least ten seconds.
  #pause() {
    const n = this.t.length,
      d = [];
    for (let i = Math.max(1, n - 400); i < n; i += 1 + (n > 200)) d.push(this.t[i] - this.t[i - 1]);
    if (d.length < 4) return Infinity;
    d.sort((a, b) => a - b);
    return Math.max(10, 10 * d[d.length >> 1]);
  }

  /** at is the value that holds at a time. */
  at(x) {
    const at = place(this.t, x);
    return at ? this.v[at - 1] : NaN;
  }

  /** stats are of what lies between two times. */
  stats(from, to) {
    let n = 0,
      min = Infinity,
      max = -Infinity,
      sum = 0;
    for (let i = this.t.length - 1; i >= 0 && this.t[i] >= from; i--) {
      if (this.t[i] > to) continue;
      const v = this.v[i];
      n++;
      sum += v;
      if (v < min) min = v;
      if (v > max) max = v;
    }
    return n ? { n, min, max, mean: sum / n } : { n: 0, min: NaN, max: NaN, mean: NaN };
  }
}

/** Words are the last readings of a topic that says no numbers, newest first. */
export class Words {
  list = [];
  change = 0;

  add(m) {
    let at = 0;
    while (at < this.list.length && this.list[at].ts > m.ts) at++;
    for (let i = at; i < this.list.length && this.list[i].ts === m.ts; i++) if (this.list[i].seq === m.seq) return;
    this.list.splice(at, 0, { seq: m.seq, ts: m.ts, data: m.data });
    if (this.list.length > 100) this.list.pop();
    this.change++;
  }
}
