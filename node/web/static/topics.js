// The topics as the hub tells of them: one entry each, no element of the page.

import { decimals, fields, plain, summary } from "./reading.js";

export const ringSize = 64; // values of a sparkline
const leftFor = 900000; // ms after which who left is forgotten

/** Topic is what is known of one. */
export class Topic {
  constructor(name) {
    this.name = name;
    this.seq = 0;
    this.ts = 0; // of the newest reading, the hub's clock
    this.data = undefined;
    this.fields = [];
    this.text = "";
    this.from = "";
    this.rate = 0; // readings a second, smoothed
    this.drop = 0;
    this.info = null; // the last row of `list`
    this.ring = null;
    this.at = 0; // values put into the ring so far
    this.heard = 0; // when its last reading came here, by performance.now()
    this.born = 0; // when that came to the hub, by the same clock
    this.filled = false; // its history was asked for
    this.digits = 0; // decimals that its values come with
    this.change = 0; // counts what there is to paint
  }

  get value() {
    return this.fields.length ? this.fields[0].value : NaN;
  }
  get unit() {
    return this.fields.length ? this.fields[0].unit : "";
  }

  /** push adds to the sparkline. */
  push(v) {
    this.ring ||= new Float64Array(ringSize);
    this.ring[this.at++ % ringSize] = v;
  }

  /** age is how long ago its newest reading came to the hub, ms. */
  get age() {
    return performance.now() - this.born;
  }

  /** now is the rate as of now: a topic that fell silent slows down. */
  now() {
    if (this.rate === 0) return 0;
    const quiet = this.age / 1000;
    return quiet * this.rate > 3 ? 1 / quiet : this.rate;
  }

  /** state is live, quiet, stale, offline or empty. */
  state(offline) {
    if (this.seq === 0) return "empty";
    if (this.info?.stale) return "stale";
    if (this.from && offline.has(this.from)) return "offline";
    const age = this.age;
    return age > 60000 && age > 6000 / Math.max(this.rate, 1e-6) ? "quiet" : "live";
  }
}

/** Topics are all of them. */
export class Topics {
  all = new Map();
  offline = new Set(); // devices by name
  count = 0; // readings that the hub took since the page is open, by their numbers
  births = 0; // changes with every topic that comes or goes

  /** take notes a reading, at the hub's time now; false: it is older than what is known. */
  take(m, now) {
    let t = this.all.get(m.topic);
    if (!t) {
      this.all.set(m.topic, (t = new Topic(m.topic)));
      this.births++;
    }
    if (m.seq <= t.seq && !(m.live && m.seq < t.seq)) return false; // else: made anew under the same name
    const steps = t.seq && m.seq > t.seq ? m.seq - t.seq : 0,
      heard = performance.now();
    if (steps) {
      if (m.live) this.count += steps; // not what came while nobody listened
      const said = m.ts - t.ts,
        took = heard - t.heard; // what came between says more, unless the hub's clock was set
      const r = (steps * 1000) / Math.max(1, Math.abs(said - took) < 10000 || !m.live ? said : took);
      t.rate = t.rate && steps < 3 ? t.rate * 0.8 + Math.min(r, t.rate * 20) * 0.2 : r;
    }
    t.seq = m.seq;
    t.ts = m.ts;
    t.data = m.data;
    t.from = m.from || "";
    t.fields = fields(m.data);
    t.text = t.fields.length > 1 ? summary(t.fields) : t.fields.length ? "" : plain(m.data);
    if (t.fields.length) {
      t.push(Number(t.fields[0].value));
      if (t.digits < 4) t.digits = Math.max(t.digits, decimals(t.fields[0].value));
    }
    t.heard = heard;
    t.born = heard - Math.min(Math.max(0, now - m.ts), m.live ? 10000 : Infinity);
    t.change++;
    return true;
  }

  /** list takes the hub's whole list, asked for at a time: what is not in it is gone. Returns the names. */
  list(rows, asked) {
    const here = new Set(),
      gone = [];
    for (const r of rows) {
      here.add(r.topic);
      let t = this.all.get(r.topic);
      if (!t) {
        this.all.set(r.topic, (t = new Topic(r.topic)));
        this.births++;
      }
      if (r.seq < t.seq && t.heard < asked) t.seq = 0; // another topic of that name
      if (t.info?.stale !== r.stale) t.change++;
      t.info = r;
    }
    this.#forget();
    for (const [name, t] of this.all) {
      if (here.has(name) || t.heard > asked || name[0] === "$") continue; // born meanwhile, or never listed
      this.all.delete(name);
      this.births++;
      gone.push(name);
    }
    return gone;
  }

  // Who left, and a room of the relay, is forgotten where the hub forgets it, which tells
  // nobody. The nameless have another name each time.
  #forget() {
    const senders = new Set();
    for (const t of this.all.values()) senders.add(t.from);
    for (const [name, t] of this.all) {
      if (name[0] !== "$" || t.age < leftFor || (name.startsWith("$sys/presence/") && t.data?.state !== "offline")) continue;
      this.all.delete(name);
      if (!senders.has(t.data?.client)) this.offline.delete(t.data?.client);
    }
  }

  /** again has the lines of all be filled again: a while was not heard. */
  again() {
    for (const t of this.all.values()) {
      t.filled = false;
      t.at = 0;
    }
  }

  /** slept: performance.now() stood still for so many ms, in which all has aged. */
  slept(ms) {
    for (const t of this.all.values()) t.born -= ms;
  }

  /** restart: the hub began anew, its numbers too. */
  restart() {
    for (const t of this.all.values()) {
      t.seq = 0;
      t.rate = 0;
      t.info = {};
    }
  }
}
