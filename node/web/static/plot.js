// uPlot, fed with series: one axis a unit, time that follows or stands still.

import { el } from "./dom.js";
import { Drawn } from "./drawn.js";
import { measure, clock, sign } from "./reading.js";
import { together } from "./series.js";

let library = null;

/** load brings uPlot; a hub that was built without it has none (false), and plots are drawn plainly. */
export function load() {
  library ||= new Promise((done) => {
    const s = el("script", { src: "static/plot/uPlot.js" });
    s.onload = () => done(typeof window.uPlot === "function");
    s.onerror = () => {
      s.remove();
      done(false);
    };
    document.head.append(el("link", { rel: "stylesheet", href: "static/plot/uPlot.css" }), s);
  });
  return library;
}

/** Plot draws into a box. on.range(from, to, follows), on.hover(x | null). */
export class Plot {
  #u = null;
  #key = "";
  #pieces = [];
  span = 900; // seconds shown
  to = 0; // 0 = follows now

  /** clock is the hub's. */
  constructor(box, clock, on) {
    this.box = box;
    this.clock = clock;
    this.on = on;
    new ResizeObserver(() => this.#fit()).observe(box);
    this.#pointer();
  }

  now() {
    return this.clock.now() / 1000;
  }
  get end() {
    return this.to || this.now();
  }

  #fit() {
    const w = this.box.clientWidth,
      h = this.box.clientHeight;
    if (this.#u && w > 0 && h > 0 && (this.#u.width !== w || this.#u.height !== h)) this.#u.setSize({ width: w, height: h });
  }

  destroy() {
    this.#u?.destroy();
    this.#u = null;
    this.#key = "";
  }

  /** paint draws the series; look = {ink, grid, colours: Map}. */
  paint(series, look, changed) {
    if (!this.box.clientWidth) return;
    if (changed || !this.#u) this.#pieces = series.flatMap((s) => s.tables().map((table) => ({ s, table })));
    const pieces = this.#pieces;
    const key = pieces.map(({ s }) => s.label + "\n" + scaleOf(s) + look.colour(s) + s.dash).join("\n\n") + look.name;
    if (key !== this.#key) {
      this.destroy();
      this.#make(
        pieces.map((p) => p.s),
        look,
      );
      this.#key = key;
      changed = true;
    }
    if (changed) {
      const tables = pieces.map((p) => p.table);
      this.#u.setData(tables.length === 1 ? tables[0] : together((window.uPlot || Drawn).join, tables), false);
    }
    const to = this.end;
    this.#u.setScale("x", { min: to - this.span, max: to });
    this.box.dataset.to = new Date(to * 1000).toISOString();
  }

  #make(series, look) {
    const Lib = window.uPlot || Drawn;
    const units = [...new Set(series.map(scaleOf))]; // % and /100 are one
    const font = "11px " + getComputedStyle(document.body).fontFamily;
    const axis = (over) => ({ stroke: look.ink, font, grid: { stroke: look.grid, width: 1 }, ticks: { show: false }, ...over });
    const opts = {
      width: this.box.clientWidth,
      height: this.box.clientHeight,
      legend: { show: false },
      padding: [10, units.length > 1 ? 0 : 26, 0, 0], // half a time's width
      cursor: { drag: { x: false, y: false, setScale: false }, points: { size: 7, width: 2 }, focus: { prox: 24 } },
      scales: { x: { time: true }, ...Object.fromEntries(units.map((u) => ["y" + u, { range: u === onOff ? [-0.15, 1.15] : padding() }])) },
      axes: [
        axis({ space: 44, incrs: (u, _, min, max, wide) => [timeStep(max - min, wide)], size: 28, values: (u, at, _, __, step) => at.map((x) => clock(x * 1000).slice(0, step >= 60 ? 5 : 8)) }),
      ].concat(
        units.map((unit, i) =>
          axis({
            scale: "y" + unit,
            side: i % 2 ? 1 : 3,
            size: (u, at) => 20 + 6.2 * Math.max(4, ...(at || []).map((x) => x.length)),
            gap: 6,
            space: 34,
            grid: { show: i === 0, stroke: look.grid, width: 1 },
            ...(unit === onOff
              ? { splits: () => [0, 1], values: () => ["false", "true"] }
              : { values: (u, at) => labels(at, unit) }),
          }),
        ),
      ),
      series: [{}].concat(
        series.map((s) => ({
          scale: "y" + scaleOf(s),
          stroke: look.colour(s),
          width: 1.75,
          dash: s.dash,
          paths: s.steps ? Lib.paths.stepped({ align: 1 }) : undefined,
          spanGaps: false,
          points: { size: 4 },
          fill: series.every((x) => x === series[0]) ? look.colour(s) + "1c" : undefined,
        })),
      ),
      hooks: {
        setCursor: [(u) => this.on.hover(u.cursor.left >= 0 ? u.posToVal(u.cursor.left, "x") : null)],
      },
    };
    this.#u = new Lib(opts, [[], ...series.map(() => [])], this.box);
  }

  /** move shows other times: to = 0 follows. */
  move(span, to) {
    this.span = Math.min(Math.max(span, 5), 30 * 86400);
    this.to = to && to < this.now() - this.span * 0.005 ? to : 0;
    this.on.range();
  }

  #zoom(factor, share) {
    const at = this.end - this.span * (1 - share),
      span = this.span * factor;
    this.move(span, this.to === 0 && share > 0.9 ? 0 : at + span * (1 - share));
  }

  // Drag or one finger pans, wheel or two fingers zoom, a double click follows again.
  #pointer() {
    const at = new Map(),
      box = this.box;
    const plotWidth = () => this.#u?.over.clientWidth || box.clientWidth;
    const share = (x) => {
      const r = (this.#u?.over || box).getBoundingClientRect();
      return Math.min(1, Math.max(0, (x - r.left) / r.width));
    };
    box.addEventListener(
      "wheel",
      (e) => {
        e.preventDefault();
        if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) this.move(this.span, this.end + (e.deltaX / plotWidth()) * this.span);
        else this.#zoom(Math.exp(Math.max(-0.5, Math.min(0.5, e.deltaY / 300))), share(e.clientX));
      },
      { passive: false },
    );
    box.addEventListener("pointerdown", (e) => {
      if (e.button === 0) (at.set(e.pointerId, e.clientX), box.classList.add("drag"));
    });
    window.addEventListener("pointermove", (e) => {
      if (!at.has(e.pointerId)) return;
      const before = [...at.values()];
      at.set(e.pointerId, e.clientX);
      const after = [...at.values()];
      if (at.size === 1) this.move(this.span, this.end - ((after[0] - before[0]) / plotWidth()) * this.span);
      else if (at.size === 2 && Math.abs(after[0] - after[1]) > 10)
        this.#zoom(Math.abs(before[0] - before[1]) / Math.abs(after[0] - after[1]), share((after[0] + after[1]) / 2));
    });
    const up = (e) => {
      at.delete(e.pointerId);
      if (!at.size) box.classList.remove("drag");
    };
    window.addEventListener("pointerup", up);
    window.addEventListener("pointercancel", up);
    box.addEventListener("dblclick", () => this.move(this.span, 0));
    box.addEventListener("keydown", (e) => {
      const f = {
        ArrowLeft: () => this.move(this.span, this.end - this.span / 8),
        ArrowRight: () => this.move(this.span, this.end + this.span / 8),
        "+": () => this.#zoom(0.7, 1),
        "-": () => this.#zoom(1.4, 1),
        Home: () => this.move(this.span, 0),
      }[e.key];
      if (f) (e.preventDefault(), f());
    });
  }
}

const onOff = "\0"; // no unit: the scale of what is true or false

const scaleOf = (s) => (s.steps && !s.unit ? onOff : sign(s.unit));

const steps = [1, 2, 5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200].concat(
  [1, 2, 5, 10].map((d) => d * 86400),
);

/** timeStep is the distance of the times below a plot of so many seconds and pixels, from one mark to the next. */
export function timeStep(span, wide) {
  return steps.find((s) => (s / span) * wide >= (s < 60 ? 58 : 46)) || steps.at(-1);
}

// Room above and below; where nothing is to be seen the axis stays as it was.
function padding() {
  let last = [0, 1];
  return (u, min, max) => {
    if (min === null || max === null || !Number.isFinite(max - min)) return last;
    // Marks closer than numbers can be told apart would have no end.
    const pad = max > min ? Math.max((max - min) * 0.08, Math.max(-min, max) * 1e-9) : Math.abs(max) * 0.02 || 1;
    return (last = [min - pad, max + pad]);
  };
}

// All labels of an axis in one unit and with the same digits.
function labels(at, unit) {
  if (!at.length) return at;
  if (unit === "B" || unit === "B/s" || unit === "s") return at.map((v) => measure(v, unit).join(" ").trim());
  const scale = unit === "Pa" && Math.abs(at[0]) > 50000 ? 100 : 1,
    step = at.length > 1 ? Math.abs(at[1] - at[0]) / scale : 1;
  let digits = 0;
  while (digits < 6 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6 * 10 ** digits * step) digits++;
  const name = scale > 1 ? "hPa" : measure(at[0] || 1, unit)[1];
  return at.map((v) => (v / scale).toFixed(digits) + (name ? " " + name : ""));
}
