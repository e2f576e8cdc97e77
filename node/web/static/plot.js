// Series as a plot: one axis a unit, time that follows or stands still.

import { Drawn } from "./drawn.js";
import { piecesOf, valueAt } from "./history.js";
import { axisLabels, clock, day, sign, stamp } from "./reading.js";
import { shown } from "./units.js";

/** Plot draws into a box. on.range() is told of other times, on.hover(x | null) where the pointer is. */
export class Plot {
  #d;
  #key = ""; // what it showed, but for the values
  #drawn = 0; // when
  span = 900; // seconds shown
  to = 0; // 0 = follows now

  /** clock is the hub's. */
  constructor(box, clock, on) {
    this.box = box;
    this.clock = clock;
    this.on = on;
    this.#d = new Drawn(box, (x) => on.hover?.(x));
    new ResizeObserver(() => this.#d.fit()).observe(box);
    if (on.range) this.#pointer();
  }

  get canvas() {
    return this.#d.canvas;
  }
  /** hovered is the time below the pointer, or null. */
  get hovered() {
    return this.#d.left < 0 ? null : this.#d.timeAt(this.#d.left);
  }
  now() {
    return this.clock.now() / 1000;
  }
  get end() {
    return this.to || this.now();
  }

  /** clear leaves an empty box. */
  clear() {
    this.#key = "";
    this.#d.clear();
  }

  /** paint draws the series, when they are others or moved on by a pixel, and tells whether it did; look = {ink, grid, bad, back}. */
  paint(series, look) {
    if (!this.#d.width) this.#d.fit();
    if (!this.#d.width) return true;
    const keys = [...new Set(series.map(axisOf))], // % and /100 are one
      key = [this.span, this.to, look.back, ...keys, ...series.map((s) => [s.label, s.colour, s.dash, s.limits?.low, s.limits?.high])].join(),
      now = performance.now();
    if (key === this.#key && now - this.#drawn < Math.min(950, (this.span * 1000) / this.#d.width)) return false;
    this.#key = key;
    this.#drawn = now;
    const to = this.end,
      from = to - this.span;
    look.font ||= "11px " + getComputedStyle(document.body).fontFamily;
    this.#d.draw({
      from,
      to,
      look,
      times: timeMarks,
      time: (x) => stamp(x * 1000),
      axes: keys.map((key) => {
        if (key === onOff) return { key, fixed: [-0.15, 1.15], at: [0, 1], labels: () => ["false", "true"] };
        const mine = series.filter((s) => axisOf(s) === key);
        return {
          key,
          by1024: /^B(\/s)?$/.test(key),
          whole: key[0] !== "B" && mine.every((s) => s.digits === 0 && shown(sign(s.unit)).by === 1),
          labels: (at) => axisLabels(at, mine[0].unit),
        };
      }),
      lines: series.map((s) => {
        const { by, plus } = shown(sign(s.unit));
        return {
          pieces: piecesOf(s, from, to),
          axis: keys.indexOf(axisOf(s)),
          by,
          plus,
          colour: s.colour,
          dash: s.dash,
          steps: s.steps,
          fill: series.length === 1,
          limits: s.limits,
          at: (x) => valueAt(s, x),
        };
      }),
    });
    this.box.dataset.to = new Date(to * 1000).toISOString();
    this.box.dataset.axes = keys.length;
    return true;
  }

  /** move shows other times: to = 0 follows. */
  move(span, to) {
    this.span = Math.min(Math.max(span, 5), 400 * 86400);
    this.to = to && to < this.now() - this.span * 0.005 ? to : 0;
    this.on.range?.();
  }

  #zoom(factor, share) {
    const at = this.end - this.span * (1 - share),
      span = this.span * factor;
    this.move(span, this.to === 0 && share > 0.9 ? 0 : at + span * (1 - share));
  }

  // Drag or one finger pans, wheel or two fingers zoom, a double click follows again.
  #pointer() {
    const at = new Map(),
      box = this.box,
      over = this.#d.over;
    const plotWidth = () => over.clientWidth || box.clientWidth;
    const share = (x) => {
      const r = over.getBoundingClientRect();
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
      if (!e.buttons) return up(e); // let go where we were not told
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

const onOff = "\0"; // no unit: the axis of what is true or false

const axisOf = (s) => (s.steps && !s.unit ? onOff : shown(sign(s.unit)).unit);

const steps = [1, 2, 5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200].concat(
  [1, 2, 5, 10, 20, 50, 100].map((d) => d * 86400),
);

/** timeStep is the distance of the times below a plot of so many seconds and pixels, from one mark to the next. */
export function timeStep(span, wide) {
  return steps.find((s) => (s / span) * wide >= (s < 60 ? 58 : 46)) || steps.at(-1);
}

/** timeMarks are the times below: at whole steps of the clock on this wall; a day's first says which day. */
export function timeMarks(from, to, wide) {
  const step = timeStep(to - from, wide),
    zone = (t) => new Date(t * 1000).getTimezoneOffset() * 60,
    at = [];
  for (let t = Math.floor((from - zone(to)) / step) * step + zone(to); t <= to && at.length < 50; t += step) {
    const x = step > 3600 ? t + zone(t) - zone(to) : t; // summer began, or ended
    if (x >= from) at.push([x, (x - zone(x)) % 86400 === 0 ? day(x * 1000) : clock(x * 1000).slice(0, step >= 60 ? 5 : 8)]);
  }
  return at;
}
