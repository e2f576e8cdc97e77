// A plot on a canvas: lines, bands, limits, axes and a cursor.

import { el } from "./dom.js";

// The first place in a sorted list whose value is x or more.
function from(list, x) {
  let lo = 0,
    hi = list.length;
  while (lo < hi) {
    const m = (lo + hi) >> 1;
    if (list[m] < x) lo = m + 1;
    else hi = m;
  }
  return lo;
}

/** nice are values for so many labels between two: 1, 2, 2.5 or 5 times a power of ten apart, and least apart. */
export function nice(min, max, most, least = 0) {
  const rough = (max - min) / Math.max(1, most),
    power = 10 ** Math.floor(Math.log10(rough)),
    step = Math.max(least, power * [1, 2, 2.5, 5, 10].find((m) => m * power >= rough * 0.999));
  const at = [];
  for (let i = Math.ceil(min / step); i * step <= max && at.length < 50; i++) at.push(i * step);
  return at;
}

// Room above and below.
function padded(min, max) {
  // Marks closer than numbers can be told apart would have no end.
  const pad = max > min ? Math.max((max - min) * 0.08, Math.max(-min, max) * 1e-9) : Math.abs(max) * 0.02 || 1;
  return [min - pad, max + pad];
}

/**
 * runs are the points [x, y, x, y …] without a gap between them. Where several
 * come to one column of pixels it has its first, lowest, highest and last.
 */
export function runs(xs, ys, a, b, x, y, steps, dense) {
  const all = [];
  let run = null,
    column = NaN,
    low = 0,
    high = 0,
    last = 0;
  const flush = () => {
    if (run && !Number.isNaN(column)) run.push(column, low, column, high, column, last);
    column = NaN;
  };
  for (let i = a; i < b; i++) {
    if (ys[i] === null) {
      flush();
      run = null;
      continue;
    }
    let px = x(xs[i]);
    const py = y(ys[i]);
    if (dense) px = Math.floor(px) + 0.5;
    if (dense && px === column) {
      if (py < low) low = py;
      else if (py > high) high = py;
      last = py;
      continue;
    }
    flush();
    if (!run) all.push((run = []));
    else if (steps) run.push(px, run.at(-1)); // on or off
    run.push(px, py);
    if (dense) [column, low, high, last] = [px, py, py, py];
  }
  flush();
  return all;
}

/**
 * Drawn is one plot in a box. What it shows (draw) is {lines, axes, from, to,
 * look, times}: lines [{pieces: [[xs, ys, lows, highs]], axis, by, plus, colour,
 * dash, steps, fill, limits, at(x)}], axes [{key, fixed, whole, labels(at)}] with
 * values × by + plus, times(from, to, wide) → [[x, text]], time(x) of the cursor.
 */
export class Drawn {
  #what = null;
  #ranges = new Map(); // axis → what it showed last
  left = -1; // of the cursor

  constructor(box, hover) {
    this.canvas = el("canvas");
    this.over = el("div", { class: "over" });
    this.root = el("div", { class: "drawn" }, this.canvas, this.over);
    const move = (left) => {
      this.left = left;
      hover(left < 0 ? null : this.timeAt(left));
      this.#paint();
    };
    this.over.addEventListener("pointermove", (e) => move(e.offsetX));
    this.over.addEventListener("pointerleave", () => move(-1));
    box.append(this.root);
    this.box = box;
    this.fit();
  }

  fit() {
    const width = this.box.clientWidth,
      height = this.box.clientHeight;
    if (!width || !height || (width === this.width && height === this.height)) return;
    Object.assign(this, { width, height });
    const scale = (this.scale = Math.min(2, devicePixelRatio || 1));
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    Object.assign(this.canvas.style, { width: width + "px", height: height + "px" });
    this.#paint();
  }

  draw(what) {
    this.#what = what;
    this.#paint();
  }

  /** clear leaves nothing. */
  clear() {
    this.#what = null;
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  timeAt(left) {
    const { from, to } = this.#what || { from: 0, to: 0 };
    return from + (left / Math.max(1, this.wide)) * (to - from);
  }

  // What of a piece's points is seen, with one beyond each edge.
  #seen([xs]) {
    return [Math.max(0, from(xs, this.#what.from) - 1), Math.min(xs.length, from(xs, this.#what.to) + 1)];
  }

  // The lowest and highest of an axis, as its labels say it.
  #range(axis, k) {
    let min = Infinity,
      max = -Infinity;
    const mine = this.#what.lines.filter((l) => l.axis === k);
    for (const l of mine)
      for (const piece of l.pieces) {
        const [a, b] = this.#seen(piece),
          [, ys, lows = ys, highs = ys] = piece;
        for (let i = a; i < b; i++) {
          if (ys[i] === null) continue;
          const low = lows[i] * l.by + l.plus,
            high = highs[i] * l.by + l.plus;
          if (low < min) min = low;
          if (high > max) max = high;
        }
      }
    if (axis.fixed) return axis.fixed;
    if (!Number.isFinite(max - min)) return this.#ranges.get(axis.key) || [0, 1]; // nothing is seen: it stays as it was
    const [least, most] = [min, max];
    for (const { limits, by, plus } of mine)
      for (const v of limits ? [limits.low, limits.high] : []) {
        const y = v * by + plus; // a limit is shown where the values do not lose by it
        if (!Number.isFinite(y) || Math.abs(y - (least + most) / 2) > Math.max(1.5 * (most - least), Math.abs(most) * 0.1)) continue;
        min = Math.min(min, y);
        max = Math.max(max, y);
      }
    const range = padded(min, max);
    this.#ranges.set(axis.key, range);
    return range;
  }

  // The axes with their marks, and how much room they take.
  #axes(g) {
    const room = { left: 0, right: 0, top: 12, bottom: 28 },
      tall = this.height - room.top - room.bottom;
    const list = this.#what.axes.map((axis, k) => {
      const [low, high] = this.#range(axis, k);
      const part = axis.by1024 ? 1024 ** Math.max(0, Math.floor(Math.log2(Math.max(1, high)) / 10)) : 1,
        at = axis.at || nice(low / part, high / part, tall / 34, axis.whole ? 1 : 0).map((v) => v * part),
        names = axis.labels(at),
        side = k % 2 ? "right" : "left",
        wide = 18 + Math.max(22, ...names.map((n) => g.measureText(n).width));
      room[side] += wide;
      return { at, names, side, wide, y: (v) => room.top + tall * (1 - (v - low) / (high - low || 1)) };
    });
    room.right ||= 26; // half a time's width
    return { room, list };
  }

  #paint() {
    const what = this.#what;
    if (!what || !this.width) return;
    const g = this.canvas.getContext("2d");
    g.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    g.clearRect(0, 0, this.width, this.height);
    g.font = what.look.font;
    const { room, list } = this.#axes(g),
      { left, top } = room,
      wide = (this.wide = this.width - left - room.right),
      bottom = this.height - room.bottom;
    Object.assign(this.over.style, { left: left + "px", top: top + "px", width: Math.max(0, wide) + "px", height: Math.max(0, bottom - top) + "px" });
    if (wide < 20 || bottom - top < 20) return;
    const x = (t) => left + ((t - what.from) / (what.to - what.from)) * wide;
    this.#grid(g, x, room, list, wide, bottom);
    g.save();
    g.beginPath();
    g.rect(left, top - 2, wide, bottom - top + 4);
    g.clip();
    for (const l of what.lines) this.#line(g, l, x, list[l.axis].y, bottom);
    for (const l of what.lines) if (l.limits) this.#limits(g, l, list[l.axis].y, left, left + wide);
    if (this.left >= 0) this.#cursor(g, x, list, left, top, bottom);
    g.restore();
  }

  #rule(g, stroke, x1, y1, x2, y2, dash = []) {
    g.beginPath();
    g.moveTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
    g.lineTo(Math.round(x2) + 0.5, Math.round(y2) + 0.5);
    g.lineWidth = 1;
    g.strokeStyle = stroke;
    g.setLineDash(dash);
    g.stroke();
    g.setLineDash([]);
  }

  #grid(g, x, { left, right, top }, list, wide, bottom) {
    const { look, times, from, to } = this.#what;
    g.fillStyle = look.ink;
    g.textAlign = "center";
    g.textBaseline = "top";
    for (const [t, text] of times(from, to, wide)) {
      this.#rule(g, look.grid, x(t), top, x(t), bottom);
      g.fillText(text, x(t), bottom + 9);
    }
    const taken = { left, right: this.width - right };
    g.textBaseline = "middle";
    list.forEach(({ at, names, side, wide: w, y }, k) => {
      g.textAlign = side === "left" ? "right" : "left";
      at.forEach((v, i) => {
        if (k === 0) this.#rule(g, look.grid, left, y(v), left + wide, y(v));
        g.fillText(names[i], taken[side] + (side === "left" ? -9 : 9), y(v));
      });
      taken[side] += side === "left" ? -w : w;
    });
  }

  #line(g, l, x, y, bottom) {
    const py = (v) => y(v * l.by + l.plus);
    g.strokeStyle = l.colour;
    g.lineWidth = 1.75;
    g.lineJoin = "round";
    g.setLineDash(l.dash || []);
    for (const piece of l.pieces) {
      const [a, b] = this.#seen(piece),
        [xs, ys, lows, highs] = piece,
        dense = b - a > this.wide * 2;
      if (lows) this.#band(g, l.colour, runs(xs, highs, a, b, x, py, l.steps, dense), runs(xs, lows, a, b, x, py, l.steps, dense));
      for (const points of runs(xs, ys, a, b, x, py, l.steps, dense)) {
        g.beginPath();
        for (let i = 0; i < points.length; i += 2) i ? g.lineTo(points[i], points[i + 1]) : g.moveTo(points[0], points[1]);
        g.stroke();
        if (l.fill && !lows) {
          g.lineTo(points.at(-2), bottom);
          g.lineTo(points[0], bottom);
          g.fillStyle = l.colour + "1c";
          g.fill();
        }
        if (b - a > this.wide / 12 && points.length > 2) continue; // where there is room, each is seen
        for (let i = 0; i < points.length; i += 2) this.#dot(g, points[i], points[i + 1], 2, l.colour);
      }
    }
    g.setLineDash([]);
  }

  // What the values between two points reached.
  #band(g, colour, highs, lows) {
    g.fillStyle = colour + "30";
    highs.forEach((high, k) => {
      const low = lows[k];
      if (!low) return;
      g.beginPath();
      for (let i = 0; i < high.length; i += 2) g.lineTo(high[i], high[i + 1]);
      for (let i = low.length - 2; i >= 0; i -= 2) g.lineTo(low[i], low[i + 1]);
      g.fill();
    });
  }

  #dot(g, x, y, r, colour) {
    g.fillStyle = colour;
    g.beginPath();
    g.arc(x, y, r, 0, 7);
    g.fill();
  }

  #limits(g, l, y, left, right) {
    const { look } = this.#what;
    for (const v of [l.limits.low, l.limits.high])
      if (Number.isFinite(v)) {
        const at = y(v * l.by + l.plus);
        this.#rule(g, look.bad, left, at, right, at, [6, 4]);
      }
  }

  #cursor(g, x, list, left, top, bottom) {
    const { look, lines } = this.#what,
      at = left + this.left;
    this.#rule(g, look.ink, at, top, at, bottom);
    const text = this.#what.time(this.timeAt(this.left)),
      wide = g.measureText(text).width + 12,
      x0 = Math.min(Math.max(at - wide / 2, left), left + this.wide - wide);
    g.fillStyle = look.ink;
    g.beginPath();
    g.roundRect(x0, bottom - 20, wide, 18, 5);
    g.fill();
    g.fillStyle = look.back;
    g.textAlign = "left";
    g.textBaseline = "middle";
    g.fillText(text, x0 + 6, bottom - 10.5);
    for (const l of lines) {
      const v = Number(l.at(this.timeAt(this.left)));
      if (!Number.isFinite(v)) continue;
      const y = list[l.axis].y(v * l.by + l.plus);
      this.#dot(g, at, y, 5, look.back);
      this.#dot(g, at, y, 3.5, l.colour);
    }
  }
}
