// What a plot shows of the time before the readings that came: lows, means and highs
// in steps of time, as far back as the hub knows.

const across = 400; // steps that a plot shows
const seconds = () => performance.now() / 1000;

/** History is that of one topic. */
export class History {
  #fields = new Map(); // name → {t, low, mean, high, n}
  #asked = -Infinity;
  #far = 0; // seconds
  #step = Infinity; // milliseconds
  #busy = false;

  constructor(page, name) {
    this.page = page;
    this.name = name;
  }

  /** ask has what there is of so many seconds ago, when that is news. */
  ask(far) {
    const { link } = this.page,
      step = Math.max(1000, Math.round((far * 1000) / across)),
      old = seconds() - this.#asked > Math.max(60, far / 50);
    if (this.#busy || link.state !== "live" || !(far > this.#far || step * 3 < this.#step || old)) return;
    this.#busy = true;
    this.#asked = seconds();
    link
      .request({ op: "get", topic: this.name, opts: { step, since: -Math.ceil(far * 1.2) } })
      .then(
        (a) => {
          [this.#far, this.#step] = [far * 1.2, step];
          this.#take(a.data || []);
        },
        () => {},
      )
      .finally(() => {
        this.#busy = false;
        this.page.dirty();
      });
  }

  /** forget: the hub began anew, and may know less. */
  forget() {
    this.#asked = -Infinity;
  }

  #take(rows) {
    const all = new Map();
    this.step = (this.#step > 60000 ? Math.ceil(this.#step / 60000) * 60000 : this.#step) / 1000;
    for (const r of rows) {
      if (r.seq !== undefined || !Array.isArray(r.data)) continue; // a hub that knows no steps
      const [ts, low, mean, high, n, name = ""] = r.data;
      let f = all.get(name);
      if (!f) all.set(name, (f = { t: [], low: [], mean: [], high: [], n: [] }));
      f.t.push(ts / 1000);
      f.low.push(Number(low));
      f.mean.push(Number(mean));
      f.high.push(Number(high));
      f.n.push(Number(n));
    }
    this.#fields = all;
  }

  /** of is that of a line's field. */
  of(line) {
    return this.#fields.get(line.field) || (this.#fields.size === 1 ? this.#fields.values().next().value : null);
  }
}

// The steps of times from which a line has no readings: before its first, and in gaps.
// Calls each(k, f, i) with their places, and with that of the reading behind.
function missing(line, each) {
  const f = line.past?.of(line);
  if (!f) return;
  for (const i of line.holes()) {
    const from = line.t[i - 1] ?? -Infinity,
      to = (line.t[i] ?? Infinity) - line.past.step;
    if (from <= to) for (let k = 0; k < f.t.length; k++) if (f.t[k] >= from && f.t[k] <= to) each(k, f, i);
  }
}

/** piecesOf are what is drawn of a line between two times, its history behind its readings. */
export function piecesOf(line, from, to) {
  const list = line.tables(from, to);
  let piece = null,
    hole = -1;
  const half = (line.past?.step || 0) / 2,
    pause = Math.max(120, 6 * half); // minutes lie a minute apart, however short the step
  const add = (x, mean, low = mean, high = mean) => [x, mean, low, high].forEach((v, i) => piece[i].push(v));
  const end = () => {
    const [x, last] = [line.t[hole], piece?.[0].at(-1)];
    if (x - last <= pause + half) add(Math.max(x, last + 1e-3), Number(line.v[hole])); // no hole between the two
  };
  missing(line, (k, f, i) => {
    const x = f.t[k] + half;
    if (i !== hole) (end(), (piece = null), (hole = i));
    const last = piece?.[0].at(-1);
    if (!piece || x <= last) list.push((piece = [[], [], [], []]));
    else if (x - last > pause) add(last + 1e-3, null);
    add(x, f.mean[k], f.low[k], f.high[k]);
  });
  end();
  return list;
}

/** statsOf are a line's figures between two times, its history included. */
export function statsOf(line, from, to) {
  const s = line.stats(from, to);
  let sum = s.n ? s.mean * s.n : 0;
  missing(line, (k, f) => {
    if (f.t[k] + line.past.step <= from || f.t[k] > to) return;
    if (!s.n || f.low[k] < s.min) s.min = f.low[k];
    if (!s.n || f.high[k] > s.max) s.max = f.high[k];
    sum += f.mean[k] * f.n[k];
    s.n += f.n[k];
  });
  if (s.n) s.mean = sum / s.n;
  return s;
}

/** pointsOf are a line's [time, value] between two times, the means of its history included. */
export function pointsOf(line, from, to) {
  const list = line.t.map((x, i) => [x, line.v[i]]);
  missing(line, (k, f) => list.push([f.t[k], f.mean[k]]));
  return list.filter(([x]) => x >= from && x <= to).sort((a, b) => a[0] - b[0]);
}

/** valueAt is what held at a time: a reading, or the mean of its step. */
export function valueAt(line, x) {
  let mean = NaN;
  missing(line, (k, f, i) => {
    if (f.t[k] <= x && x < Math.min(f.t[k] + Math.max(60, line.past.step) * 2, line.t[i] ?? Infinity)) mean = f.mean[k];
  });
  return Number.isNaN(mean) ? line.at(x) : mean;
}

/** beginning is the oldest time that is known of some lines, null when that is not known yet. */
export function beginning(lines) {
  let first = Infinity;
  for (const line of lines) {
    if (!line.past?.step) return null;
    const f = line.past.of(line);
    first = Math.min(first, ...(f?.t || []), line.t[0] ?? Infinity);
  }
  return Number.isFinite(first) ? first : null;
}
