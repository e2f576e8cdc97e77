// The pane beside the tree: a plot of the chosen topics, their figures, and the topic itself.

import { button, el, fill, heads, icon, put } from "./dom.js";
import { Plot } from "./plot.js";
import { bytes, clock, measure, plain, pretty, rate, span, stamp } from "./reading.js";
import { beginning, statsOf, valueAt } from "./history.js";
import { Lines, most } from "./lines.js";
import { Words } from "./series.js";
import { keep, recall } from "./layout.js";
import { tr } from "./lang.js";
import { beyond } from "./limits.js";
import { askLimits, askRange } from "./settings.js";
import { saveCSV, savePNG } from "./save.js";
import { colourOf, look } from "./look.js";

const spans = [
  [60, "1 min"],
  [300, "5 min"],
  [900, "15 min"],
  [3600, "1 h"],
  [21600, "6 h"],
  [86400, "24 h"],
];
const nothing = new Words();

/** Pane holds at most eight topics. page = {link, topics, table, actions, dirty, say}. */
export class Pane {
  #hover = null;
  #detail = null; // whose it is

  constructor(page) {
    this.page = page;
    this.lines = new Lines(page, "plot", (text) => page.say(text));
    this.box = el("div", { class: "plot", tabindex: "0", role: "img", "aria-label": tr("Plot") });
    this.missing = el("div", { class: "noplot", hidden: true });
    this.plot = new Plot(this.box, page.link.clock, {
      range: () => this.#ranged(),
      hover: () => page.dirty(),
    });
    this.plot.span = recall("span", 300);
    this.title = el("h2", { tabindex: "-1" });
    this.spans = el(
      "div",
      { class: "choice", role: "group", "aria-label": tr("Time shown") },
      spans.map(([s, text]) =>
        el("button", { type: "button", "data-span": s, onclick: () => this.plot.move(s, this.plot.to) }, text),
      ),
    );
    this.follow = button(tr("Live"), () => this.plot.move(this.plot.span, this.plot.to ? 0 : this.plot.now()), { kind: "follow" });
    this.range = button(tr("From … to …"), () => askRange(page, this.plot), { icon: "range" });
    this.when = el("span", { class: "when" });
    this.since = el("span", { class: "begins" });
    this.texts = el("ol", { class: "lines texts", tabindex: "0", "aria-label": tr("Last readings, newest first"), hidden: true });
    this.figures = el("tbody");
    this.bar = el("div", { class: "bar" }, this.spans, this.range, this.follow, this.when, this.since);
    this.table = el("table", { class: "figures" }, heads("Topic", "Value", "Min", "Mean", "Max", "-Remove"), this.figures);
    this.head = this.table.querySelectorAll("th")[1].firstChild;
    this.tile = button(tr("Pin as a tile"), () => this.#pin(["tile", this.names[0]]), { icon: "pin" });
    this.pin = button(tr("Put this plot on the wall"), () => this.#pin(["plot", ...this.names]), { icon: "wall" });
    this.detail = el("section", { class: "detail", "aria-label": tr("Topic") });
    this.root = el(
      "section",
      { class: "pane", "aria-label": tr("Plot of the chosen topics"), hidden: true },
      el(
        "header",
        null,
        this.title,
        this.tile,
        this.pin,
        button(tr("Add a topic to the plot"), () => page.actions.plot((t) => this.open(t, true)), { icon: "plus" }),
        button(tr("Save as a picture"), () => savePNG(page, this.names, this.lines.list(page.dark()), this.plot), { icon: "image" }),
        button(tr("Save as CSV"), () => saveCSV(this.names, this.lines.list(page.dark()), this.plot), { icon: "down" }),
        button(tr("Close the plot"), () => this.close(), { icon: "close" }),
      ),
      this.bar,
      this.box,
      this.missing,
      this.texts,
      this.table,
      this.detail,
    );
  }

  get names() {
    return this.lines.names;
  }

  colour(i) {
    return colourOf(i, this.page.dark());
  }

  /** open shows a topic, alone or with the others. */
  open(topic, add) {
    const name = topic.name;
    if (add && this.names.includes(name)) return this.remove(name);
    if (add && this.names.length && topic.seq && !topic.fields.length) return this.page.say(tr("{0} has no numbers to plot.", name));
    if (add && this.names.length === most) return this.page.say(tr("A plot takes eight topics."));
    this.page.plotted(add ? [...this.names, name] : [name], true);
  }

  remove(name) {
    this.page.plotted(
      this.names.filter((n) => n !== name),
      true,
    );
  }

  close() {
    this.page.plotted([], true);
    this.page.table.root.focus();
  }

  /** set shows these topics, whether they are there or not: the address says so. */
  set(names, span, to) {
    if (span && (span !== this.plot.span || Math.abs(to - this.plot.to) > 1)) this.plot.move(span, to);
    if (names.join("\n") === this.names.join("\n")) return;
    this.lines.set(names, this.plot.span);
    this.#changed();
  }

  #pin(item) {
    const { page } = this,
      there = page.pins.own && page.pins.at(item) >= 0;
    if (!page.pins.toggle(item)) return page.say(tr("The wall is full."));
    page.say(there ? tr("{0} is off the wall.", item.slice(1).join(", ")) : tr("{0} is on the wall.", item.slice(1).join(", ")));
    this.#pinned();
  }

  #pinned() {
    const { pins } = this.page,
      on = (item) => Boolean(pins.own) && pins.at(item) >= 0;
    this.tile.hidden = this.names.length !== 1;
    this.tile.setAttribute("aria-pressed", on(["tile", this.names[0]]));
    this.pin.setAttribute("aria-pressed", on(["plot", ...this.names]));
  }

  #absent() {
    const name = this.names.length === 1 && this.page.heard && !this.page.topics.all.has(this.names[0]) && this.names[0];
    const text = name ? tr("The hub has no topic {0} now. Its plot begins with its first reading.", name) : "";
    if (this.missing.textContent !== text) fill(this.missing, text);
    this.missing.hidden = !text;
    return Boolean(text);
  }

  #changed() {
    const open = this.names.length > 0;
    this.root.hidden = !open;
    document.body.classList.toggle("split", open);
    this.page.table.picked = new Map(this.names.map((n, i) => [n, this.colour(i)]));
    keep("plots", this.names);
    this.page.plotted(this.names);
    fill(this.title, this.names.length === 1 ? el("bdi", null, this.names[0]) : tr("{0} topics", this.names.length));
    this.#detail = null;
    this.#pinned();
    this.#ranged();
  }

  #ranged() {
    keep("span", this.plot.span);
    clearTimeout(this.told); // the wheel turns fast
    this.told = setTimeout(() => this.page.plotted(this.names), 300);
    for (const b of this.spans.children) b.setAttribute("aria-pressed", Math.abs(b.dataset.span - this.plot.span) < 1);
    this.follow.setAttribute("aria-pressed", this.plot.to === 0);
    this.lines.reach(this.plot.now() - (this.plot.end - this.plot.span));
    this.page.dirty();
  }

  take(m) {
    this.lines.take(m);
  }

  restart() {
    this.lines.restart();
  }

  /** paint is called once a frame at most. */
  paint() {
    if (this.root.hidden) return;
    if (this.plot.to) this.lines.reach(this.plot.now() - (this.plot.end - this.plot.span)); // what stands still grows older
    const lines = this.lines.list(this.page.dark()),
      missing = this.#absent();
    this.#texts(lines);
    const hover = this.#hover;
    this.#hover = this.plot.hovered;
    if (lines.length) {
      if (!this.plot.paint(lines, look(this.page.dark())) && hover === null && this.#hover === null) return; // figures go with the plot
      this.box.setAttribute("aria-label", tr("Plot of {0}, the last {1}", lines.map((l) => l.label).join(", "), span(this.plot.span)));
    } else this.plot.clear();
    this.box.hidden = missing || (!lines.length && !this.texts.hidden);
    const to = this.plot.end,
      from = to - this.plot.span;
    put(
      this.when.firstChild || this.when.appendChild(document.createTextNode("")),
      this.#hover !== null ? stamp(this.#hover * 1000) : this.plot.to ? tr("to {0}", stamp(to * 1000)) : "",
    );
    this.#begins(lines, from);
    this.#table(lines, from, to);
    put(this.head, this.#hover !== null ? clock(this.#hover * 1000) : tr("Value"));
    this.#topic();
  }

  // Where the plot is empty because nothing is known.
  #begins(lines, from) {
    const first = beginning(lines),
      late = first !== null && first - from > this.plot.span / 50;
    put(this.since.firstChild || this.since.appendChild(document.createTextNode("")), late ? tr("History begins {0}", stamp(first * 1000)) : "");
  }

  // A topic without numbers: what it said, newest first.
  #texts(lines) {
    const w = (!lines.length && this.lines.words(this.names[0])) || nothing;
    this.texts.hidden = !w.list.length;
    this.table.hidden = this.bar.hidden = !this.texts.hidden;
    if (this.texts.seen === w && this.texts.change === w.change) return;
    Object.assign(this.texts, { seen: w, change: w.change });
    fill(
      this.texts,
      w.list.map((m) => el("li", null, el("time", null, stamp(m.ts)), el("bdi", { class: "x" }, plain(m.data, 400)))),
    );
  }

  #table(lines, from, to) {
    while (this.figures.children.length > lines.length) this.figures.lastChild.remove();
    lines.forEach((l, i) => {
      let row = this.figures.children[i];
      if (!row || row.line !== l || row.colour !== l.colour || row.dash !== l.dash) {
        const cells = Array.from({ length: 5 }, () => document.createTextNode(""));
        const next = el(
          "tr",
          null,
          el("th", { scope: "row" }, el("i", { class: l.dash ? "swatch dashed" : "swatch" }), el("bdi", null, l.label), el("small", { class: "over" }, cells[4])),
          cells.slice(0, 4).map((c) => el("td", null, c)),
          el(
            "td",
            null,
            !(l.steps && !l.unit) && button(tr("Limits of {0}", l.label), () => askLimits(this.page, l), { icon: "bell" }),
            button(tr("Remove {0}", l.label), () => this.remove(l.name), { icon: "close" }),
          ),
        );
        next.style.setProperty("--series", l.colour);
        Object.assign(next, { line: l, texts: cells, colour: l.colour, dash: l.dash });
        if (row) row.replaceWith(next);
        else this.figures.append(next);
        row = next;
      }
      const over = l.limits && l.share(from, to, (v) => beyond(v, l.limits) !== "");
      put(row.texts[4], over?.n ? tr("{0} × beyond, {1} % of the time", over.n, Math.round(over.share * 100) || "< 1") : "");
      row.classList.toggle("limited", Boolean(l.limits));
      const s = statsOf(l, from, to),
        write = (v, digits = l.digits) => (Number.isFinite(Number(v)) ? measure(v, l.unit, digits).join(" ").trim() : "–");
      const word = (v) => (v === undefined || Number.isNaN(v) ? "–" : v ? "true" : "false"),
        now = this.#hover !== null ? valueAt(l, this.#hover) : (l.v.at(-1) ?? NaN);
      if (l.steps && !l.unit) {
        const { share } = l.share(from, to);
        put(row.texts[0], word(now));
        put(row.texts[1], word(s.min));
        put(row.texts[2], Number.isNaN(share) ? "–" : tr("{0} % true", Math.round(share * 100)));
        put(row.texts[3], word(s.max));
        return;
      }
      const bare = (v, digits) =>
        ["B", "B/s", "s", "Pa"].includes(l.unit) ? write(v, digits) : write(v, digits).split(" ")[0]; // its unit stands in front
      put(row.texts[0], write(now));
      put(row.texts[1], bare(s.min));
      put(row.texts[2], bare(s.mean, Math.max(1, l.digits)));
      put(row.texts[3], bare(s.max));
    });
  }

  // What the hub knows of the topic, and what can be done with it.
  #topic() {
    const t = this.names.length === 1 ? this.page.topics.all.get(this.names[0]) : null;
    if (!t) {
      this.detail.hidden = true;
      return;
    }
    this.detail.hidden = false;
    const i = t.info || {};
    if (this.#detail !== t) {
      this.#detail = t;
      const fact = (name) => {
        const n = document.createTextNode("");
        return [n, el("div", null, el("dt", null, tr(name)), el("dd", null, n))];
      };
      this.facts = {};
      const rows = ["Kind", "Readings", "Memory", "Rate", "Last", "From", "Number", "Heard by"].map((n) => {
        const [node, row] = fact(n);
        this.facts[n] = node;
        return row;
      });
      this.raw = document.createTextNode("");
      const a = this.page.actions;
      this.lasting = button("–", () => a.make(t), { text: true });
      fill(
        this.detail,
        el("dl", null, rows),
        el("pre", { tabindex: "0", role: "group", "aria-label": tr("Last reading") }, el("bdi", null, this.raw)),
        el(
          "div",
          { class: "bar" },
          button(tr("Publish"), () => a.publish(t.name), { icon: "send", text: true }),
          t.name[0] !== "$" && this.lasting,
          t.name[0] !== "$" && button(tr("Delete"), () => a.remove(t), { icon: "trash", text: true, kind: "danger" }),
        ),
      );
    }
    put(this.lasting.firstChild.firstChild, i.static ? tr("Change") : tr("Keep it (static)"));
    const f = this.facts;
    put(f.Kind, (i.static ? tr("static") : tr("dynamic")) + (i.durable ? ", " + tr("durable") : ""));
    put(f.Readings, String(i.readings ?? "–"));
    put(f.Memory, i.cap ? tr("{0} of {1}", bytes(i.bytes), bytes(i.cap)) : "–");
    put(f.Rate, rate(t.now()) || "–");
    put(f.Last, t.ts ? stamp(t.ts) : "–");
    put(f.From, t.from || "–");
    put(f.Number, String(t.seq));
    put(f["Heard by"], i.subscribers === undefined ? "–" : String(i.subscribers));
    if (this.raw.seen !== t.change) {
      this.raw.seen = t.change;
      put(this.raw, pretty(t.data).slice(0, 8192));
    }
  }
}
