// Points of a plot: what came of one field of one topic, in order, with its gaps.

const most = 30000; // points kept

/** Series is one line. Between points a gap is a hole in the numbers, or in time. */
export class Series {
  constructor(name, field, unit) {
    this.name = name;
    this.field = field; // "" = the reading's only one
    this.unit = unit;
    this.label = field ? name + " " + field : name;
    this.t = []; // seconds since 1970, as uPlot wants them
    this.v = [];
    this.hole = []; // true: something is missing before this point
    this.last = 0;
    this.change = 0;
  }

  add(seq, ts, value) {
    const n = this.t.length;
    let x = ts / 1000;
    if (n && x <= this.t[n - 1]) x = this.t[n - 1] + 1e-4; // several readings in one millisecond
    this.hole.push(n > 0 && seq !== this.last + 1);
    this.t.push(x);
    this.v.push(value);
    this.last = seq;
    this.change++;
    if (n > most) {
      const cut = most / 10;
      this.t.splice(0, cut);
      this.v.splice(0, cut);
      this.hole.splice(0, cut);
    }
  }

  /** table is [times, values] with a null in each gap. */
  table() {
    const n = this.t.length, pause = this.#pause(), xs = [], ys = [];
    for (let i = 0; i < n; i++) {
      if (i && (this.hole[i] || this.t[i] - this.t[i - 1] > pause)) {
        xs.push((this.t[i - 1] + this.t[i]) / 2);
        ys.push(null);
      }
      xs.push(this.t[i]);
      ys.push(this.v[i]);
    }
    return [xs, ys];
  }

  // Ten times the usual distance is a pause, and at least ten seconds.
  #pause() {
    const n = this.t.length, d = [];
    for (let i = Math.max(1, n - 400); i < n; i += 1 + (n > 200)) d.push(this.t[i] - this.t[i - 1]);
    if (d.length < 4) return Infinity;
    d.sort((a, b) => a - b);
    return Math.max(10, 10 * d[d.length >> 1]);
  }

  /** at is the value that holds at a time. */
  at(x) {
    let lo = 0, hi = this.t.length;
    while (lo < hi) {
      const m = (lo + hi) >> 1;
      if (this.t[m] <= x) lo = m + 1;
      else hi = m;
    }
    return lo ? this.v[lo - 1] : NaN;
  }

  /** stats are of what lies between two times. */
  stats(from, to) {
    let n = 0, min = Infinity, max = -Infinity, sum = 0;
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
