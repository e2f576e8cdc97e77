// The wall: tiles and several plots, for a tablet that hangs there.

import { button, el, fill } from "./dom.js";
import { tr } from "./lang.js";
import { Lines } from "./lines.js";
import { look } from "./look.js";
import { Plot } from "./plot.js";
import { measure } from "./reading.js";
import { format } from "./route.js";
import { Tiles } from "./tile.js";

const spans = [
  [300, "5 min"],
  [900, "15 min"],
  [3600, "1 h"],
  [21600, "6 h"],
  [86400, "24 h"],
];

/** Chart is a plot among others. */
class Chart {
  constructor(page, names, n, span) {
    this.page = page;
    this.lines = new Lines(page, "wall" + n);
    this.lines.set(names, span);
    this.legend = el("ul", { class: "legend" });
    this.box = el("div", { class: "plot", role: "img", "aria-label": tr("Plot of {0}", names.join(", ")) });
    this.root = el(
      "li",
      { class: "chart" },
      el("a", { href: format({ id: "topics", plots: names, span }), title: tr("Plot of {0}", names.join(", ")) }, this.legend),
      this.box,
    );
    this.plot = new Plot(this.box, page.link.clock, {});
    this.plot.span = span;
  }

  end() {
    this.lines.set([], 0);
  }

  paint() {
    const dark = this.page.dark(),
      list = this.lines.list(dark);
    if (list.length) this.plot.paint(list, look(dark));
    while (this.legend.children.length > list.length) this.legend.lastChild.remove();
    list.forEach((l, i) => {
      let li = this.legend.children[i];
      if (!li || li.line !== l) {
        const next = el("li", null, el("i", { class: "swatch" }), el("bdi", null, l.label), " ", el("strong"));
        next.line = l;
        li ? li.replaceWith(next) : this.legend.append(next);
        li = next;
      }
      li.style.setProperty("--series", l.colour);
      const v = l.v.at(-1),
        said = v === undefined ? "–" : l.steps ? String(Boolean(v)) : measure(v, l.unit, l.digits).join(" ").trim();
      if (li.lastChild.textContent !== said) li.lastChild.textContent = said;
    });
  }
}

export class WallView {
  id = "wall";
  title = tr("Wall");
  #built = -1;
  #charts = [];
  #edit = false;
  #awake = null; // keeps the screen on

  constructor(page) {
    this.page = page;
    this.tiles = new Tiles(page, tr("Tiles"));
    this.plots = el("ul", { class: "charts", "aria-label": tr("Plots") });
    this.spans = el(
      "div",
      { class: "choice", role: "group", "aria-label": tr("Time shown") },
      spans.map(([s, text]) => el("button", { type: "button", "data-span": s, onclick: () => this.#span(s) }, text)),
    );
    this.edit = button(tr("Edit"), () => this.#editing(!this.#edit), { kind: "toggle" });
    this.note = el("p", { class: "dim" });
    this.leave = button(tr("Leave full screen"), () => this.kiosk(false), { icon: "close", kind: "leave" });
    this.root = el(
      "div",
      { class: "view wallview" },
      el("h1", { class: "hide" }, this.title),
      el(
        "div",
        { class: "bar" },
        this.spans,
        this.note,
        this.edit,
        button(tr("Add to the wall"), () => page.actions.pin(page.pins), { icon: "plus" }),
        button(tr("Open elsewhere"), () => page.actions.phone(format({ id: "wall", rest: page.pins.query(true) })), { icon: "share" }),
        button(tr("Full screen"), () => this.kiosk(true, true), { icon: "full" }),
      ),
      el("div", { class: "field-of" }, this.tiles.root, this.plots),
      this.leave,
    );
    new ResizeObserver(() => this.#columns()).observe(this.root);
    document.addEventListener("fullscreenchange", () => {
      if (!document.fullscreenElement && this.full) this.kiosk(false);
    });
    document.addEventListener("visibilitychange", () => this.#light());
    let still = 0;
    this.root.addEventListener("pointermove", () => {
      this.root.classList.add("stirred");
      clearTimeout(still);
      still = setTimeout(() => this.root.classList.remove("stirred"), 2500);
    });
  }

  /** went shows what the address says. */
  went(to) {
    this.kiosk(this.page.pins.take(to.rest), false);
  }

  show() {
    this.#built = -1;
    this.page.soon();
  }

  hide() {
    this.kiosk(false);
    this.#end();
  }

  #end() {
    for (const c of this.#charts) c.end();
    this.#charts = [];
    this.#built = -1;
  }

  take(m) {
    for (const c of this.#charts) c.lines.take(m);
  }

  restart() {
    for (const c of this.#charts) c.lines.restart();
  }

  themed() {
    this.tiles.again();
    this.#built = -1;
  }

  #span(s) {
    this.page.pins.setSpan(s);
    this.#built = -1;
    this.page.soon();
  }

  #editing(on) {
    this.#edit = on;
    this.edit.setAttribute("aria-pressed", on);
    if (on && !this.page.pins.own) this.page.pins.set(this.page.pins.items); // it is theirs from now on
    this.#built = -1;
    this.page.soon();
  }

  #build() {
    const { pins } = this.page,
      of = (kind) => pins.items.filter((i) => i[0] === kind),
      pressed = this.root.contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
    this.#end();
    this.#built = pins.change;
    const tools = (item) => {
      const name = item.slice(1).join(", ");
      return el(
        "div",
        { class: "tools" },
        button(tr("Move {0} back", name), () => pins.move(item, -1), { icon: "back" }),
        button(tr("Move {0} on", name), () => pins.move(item, 1), { icon: "open" }),
        button(tr("Take {0} off the wall", name), () => pins.move(item, 0), { icon: "close" }),
      );
    };
    this.tiles.again();
    this.tiles.show(pins.tiles, this.#edit ? (name, k) => tools(of("tile")[k]) : null);
    this.#charts = of("plot").map(([, ...plot], n) => new Chart(this.page, plot, n, pins.span));
    if (this.#edit) this.#charts.forEach((c, k) => c.root.append(tools(of("plot")[k])));
    fill(this.plots, this.#charts.map((c) => c.root));
    this.plots.hidden = !this.#charts.length;
    this.#columns();
    if (pressed && document.activeElement === document.body) ([...this.root.querySelectorAll(".tools button")].find((b) => b.getAttribute("aria-label") === pressed) || this.edit).focus();
    for (const b of this.spans.children) b.setAttribute("aria-pressed", Number(b.dataset.span) === pins.span);
    this.note.textContent = !pins.items.length
      ? tr("Nothing is on the wall yet.")
      : pins.own
        ? ""
        : tr("Chosen from what there is. Edit it, or pin topics where they are plotted.");
  }

  // So many columns that the rows are full.
  #columns() {
    const wide = this.root.clientWidth - 32;
    for (const [list, least, n] of [
      [this.tiles.root, wide < 640 ? 150 : 210, this.page.pins.tiles.length],
      [this.plots, 430, this.#charts.length],
    ]) {
      const fit = Math.max(1, Math.floor(wide / least)),
        rows = Math.ceil(n / fit);
      list.style.setProperty("--columns", Math.max(1, Math.ceil(n / rows) || 1));
    }
  }

  paint() {
    const { pins, topics, focus } = this.page;
    pins.look();
    if (this.#built !== pins.change) this.#build();
    this.tiles.paint();
    for (const c of this.#charts) c.paint();
    focus.see(pins.tiles.map((n) => topics.all.get(n)).filter(Boolean), topics.all, this.page.rate());
  }

  /** kiosk leaves nothing but the wall on the screen; whole: all of the screen. */
  kiosk(on, whole) {
    const was = document.body.classList.contains("kiosk");
    document.body.classList.toggle("kiosk", on);
    if (on && whole) {
      this.full = true;
      document.documentElement.requestFullscreen?.().catch(() => {});
    } else if (!on && this.full) {
      this.full = false;
      if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
    }
    if (on === was) return;
    if (on) this.#editing(false);
    this.#light();
    this.page.hung(on);
  }

  // A screen that shows the wall does not go dark, where the browser lets us say so.
  async #light() {
    const wanted = document.body.classList.contains("kiosk") && !document.hidden;
    if (!wanted) return (this.#awake?.release(), (this.#awake = null));
    try {
      this.#awake ||= await navigator.wakeLock?.request("screen");
      this.#awake?.addEventListener("release", () => (this.#awake = null));
    } catch {
      /* battery saver */
    }
  }

  key(e) {
    if (e.key === "Escape" && document.body.classList.contains("kiosk")) this.kiosk(false);
    else if (e.key === "f") this.kiosk(!document.body.classList.contains("kiosk"), true);
    else return false;
    return true;
  }
}
