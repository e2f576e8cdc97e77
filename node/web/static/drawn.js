// Plots without uPlot, for a build that npm could not bring it to: lines, axes
// and a cursor on a canvas. It takes what uPlot takes, as far as plot.js says it.

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

// Values for so many labels between two: 1, 2, 2.5 or 5 times a power of ten apart.
function nice(min, max, most) {
  const rough = (max - min) / Math.max(1, most),
    power = 10 ** Math.floor(Math.log10(rough)),
    step = power * [1, 2, 2.5, 5, 10].find((m) => m * power >= rough * 0.999);
  const at = [];
  for (let i = Math.ceil(min / step); i * step <= max && at.length < 50; i++) at.push(i * step);
  return at;
}

/** Drawn is one plot in a box. */
export class Drawn {
  static paths = { stepped: () => true };
  #data = [[]];
  #x = [0, 1];

  constructor(opts, data, box) {
    this.opts = opts;
    this.cursor = { left: -1 };
    this.canvas = el("canvas");
    this.over = el("div", { class: "u-over" });
    this.root = el("div", { class: "drawn" }, this.canvas, this.over);
    const move = (left) => {
      this.cursor.left = left;
      for (const f of opts.hooks.setCursor) f(this);
      this.#draw();
    };
    this.over.addEventListener("pointermove", (e) => move(e.offsetX));
    this.over.addEventListener("pointerleave", () => move(-1));
    box.append(this.root);
    this.setSize(opts);
  }

  destroy() {
    this.root.remove();
  }

  setSize({ width, height }) {
    Object.assign(this, { width, height });
    const scale = (this.scale = Math.min(2, devicePixelRatio || 1));
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    Object.assign(this.canvas.style, { width: width + "px", height: height + "px" });
    this.#draw();
  }

  setData(data) {
    this.#data = data;
  }

  setScale(_, { min, max }) {
    this.#x = [min, max];
    this.#draw();
  }

  posToVal(left) {
    return this.#x[0] + (left / Math.max(1, this.wide)) * (this.#x[1] - this.#x[0]);
  }

  // What of the points is seen, with one beyond each edge.
  #seen() {
    const xs = this.#data[0];
    return [Math.max(0, from(xs, this.#x[0]) - 1), Math.min(xs.length, from(xs, this.#x[1]) + 1)];
  }

  // The axes with their marks, and how much room they take.
  #axes() {
    const { axes, scales, series, padding } = this.opts,
      [a, b] = this.#seen();
    const room = { left: 0, right: 0, top: padding[0] + 2, bottom: axes[0].size };
    const tall = this.height - room.top - room.bottom,
      list = axes.slice(1).map((axis) => {
        let min = null,
          max = null;
        series.forEach((s, k) => {
          if (s.scale !== axis.scale) return;
          for (let i = a; i < b; i++) {
            const v = this.#data[k]?.[i];
            if (v === null || v === undefined) continue;
            if (min === null || v < min) min = v;
            if (max === null || v > max) max = v;
          }
        });
        const range = scales[axis.scale].range,
          [low, high] = typeof range === "function" ? range(this, min, max) : range;
        const at = axis.splits ? axis.splits() : nice(low, high, tall / axis.space),
          names = axis.values(this, at);
        const wide = axis.size(this, names),
          side = axis.side === 3 ? "left" : "right";
        room[side] += wide;
        return { axis, low, high, at, names, side, wide, y: (v) => room.top + tall * (1 - (v - low) / (high - low || 1)) };
      });
    room.right ||= padding[1];
    return { room, list };
  }

  #draw() {
    const g = this.canvas.getContext("2d"),
      { room, list } = this.#axes(),
      { left, top } = room;
    const wide = (this.wide = this.width - left - room.right),
      bottom = this.height - room.bottom;
    Object.assign(this.over.style, { left: left + "px", top: top + "px", width: wide + "px", height: bottom - top + "px" });
    g.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    g.clearRect(0, 0, this.width, this.height);
    if (wide < 20 || bottom - top < 20) return;
    const x = (t) => left + ((t - this.#x[0]) / (this.#x[1] - this.#x[0])) * wide;
    this.#times(g, x, left, wide, top, bottom);
    let taken = { left: left, right: this.width - room.right };
    for (const { axis, at, names, side, wide: w, y } of list) {
      g.textAlign = side === "left" ? "right" : "left";
      g.textBaseline = "middle";
      at.forEach((v, i) => {
        if (axis.grid.show !== false) this.#line(g, axis.grid.stroke, left, y(v), left + wide, y(v));
        g.fillStyle = axis.stroke;
        g.fillText(names[i], taken[side] + (side === "left" ? -axis.gap - 4 : axis.gap + 4), y(v));
      });
      taken[side] += side === "left" ? -w : w;
    }
    g.save();
    g.beginPath();
    g.rect(left, top - 2, wide, bottom - top + 4);
    g.clip();
    this.opts.series.forEach((s, k) => s.scale && this.#series(g, s, k, x, list.find((l) => l.axis.scale === s.scale).y, bottom));
    g.restore();
  }

  #line(g, stroke, x1, y1, x2, y2) {
    g.beginPath();
    g.moveTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
    g.lineTo(Math.round(x2) + 0.5, Math.round(y2) + 0.5);
    g.lineWidth = 1;
    g.strokeStyle = stroke;
    g.setLineDash([]);
    g.stroke();
  }

  // Times of day below, at whole steps of the clock on this wall.
  #times(g, x, left, wide, top, bottom) {
    const axis = this.opts.axes[0],
      [min, max] = this.#x,
      [step] = axis.incrs(this, 0, min, max, wide),
      zone = new Date(max * 1000).getTimezoneOffset() * 60,
      at = [];
    for (let t = Math.ceil((min - zone) / step) * step + zone; t <= max && at.length < 50; t += step) at.push(t);
    g.font = axis.font;
    g.textAlign = "center";
    g.textBaseline = "top";
    axis.values(this, at, 0, 0, step).forEach((text, i) => {
      this.#line(g, axis.grid.stroke, x(at[i]), top, x(at[i]), bottom);
      g.fillStyle = axis.stroke;
      g.fillText(text, x(at[i]), bottom + 9);
    });
    if (this.cursor.left >= 0) this.#line(g, axis.stroke, left + this.cursor.left, top, left + this.cursor.left, bottom);
  }

  #series(g, s, k, x, y, bottom) {
    const [a, b] = this.#seen(),
      xs = this.#data[0],
      ys = this.#data[k] || [];
    const runs = []; // points without a gap between them
    let run = null,
      n = 0;
    for (let i = a; i < b; i++) {
      if (ys[i] === null) run = null;
      if (ys[i] === null || ys[i] === undefined) continue;
      if (!run) runs.push((run = []));
      if (s.paths && run.length) run.push([x(xs[i]), run.at(-1)[1]]); // on or off
      run.push([x(xs[i]), y(ys[i])]);
      n++;
    }
    g.strokeStyle = s.stroke;
    g.lineWidth = s.width;
    g.lineJoin = "round";
    g.setLineDash(s.dash || []);
    for (const points of runs) {
      g.beginPath();
      points.forEach(([px, py], i) => (i ? g.lineTo(px, py) : g.moveTo(px, py)));
      g.stroke();
      if (s.fill) {
        g.lineTo(points.at(-1)[0], bottom);
        g.lineTo(points[0][0], bottom);
        g.fillStyle = s.fill;
        g.fill();
      }
      if (n > this.wide / 12 && points.length > 1) continue; // where there is room, each is seen
      g.fillStyle = s.stroke;
      for (const [px, py] of points) {
        g.beginPath();
        g.arc(px, py, 2, 0, 7);
        g.fill();
      }
    }
  }

  /** join puts several tables over all their times, as uPlot's does. */
  static join(tables) {
    const xs = [...new Set(tables.flatMap((t) => t[0]))].sort((a, b) => a - b),
      place = new Map(xs.map((x, i) => [x, i]));
    return [
      xs,
      ...tables.map(([times, values]) => {
        const ys = new Array(xs.length);
        times.forEach((t, i) => (ys[place.get(t)] = values[i]));
        return ys;
      }),
    ];
  }
}
