// The topic tree on the screen: only the rows that are seen have elements.

import { tr } from "./lang.js";
import { el, fill, icon, put } from "./dom.js";
import { beyond, limitsOf } from "./limits.js";
import { measure, rate, span } from "./reading.js";
import { draw, fit, Seldom } from "./spark.js";

/** states of a topic, as its mark says them. */
export const states = {
  live: tr("live"),
  quiet: tr("quiet: nothing for a while"),
  stale: tr("stale: overdue"),
  offline: tr("its sender is offline"),
  empty: tr("no reading yet"),
};

const nothing = { at: 0 }; // to draw

const keyOf = (row) => (row.topic ? row.path : row.path + "/"); // a topic may have a folder of its name

/**
 * Table paints rows of tree.js. on.open(topic, add), on.fold(row, open),
 * on.seen(topics) tell what the person did and what is on the screen.
 */
export class Table {
  #rows = [];
  #slots = [];
  #at = -1; // the active row's place, for the keyboard
  #path = ""; // of the active row, as keyOf has it
  #first = -1;
  #top = -1; // of the trends' canvas
  #trends = new Seldom();
  held = false; // a row is pressed: nothing moves below the pointer now
  colours = { line: "#888", accent: "#4fd1b0" };
  picked = new Map(); // topic name → colour of its plot

  constructor(on) {
    this.on = on;
    this.trends = el("canvas", { class: "trends", "aria-hidden": "true" });
    this.probe = el("span", { class: "c2" }); // where the trends stand
    this.space = el("div", { class: "space", role: "presentation" }, this.trends);
    const probe = el("div", { class: "row probe", "aria-hidden": "true" }, ["c0", "c1"].map((c) => el("span", { class: c })), this.probe);
    this.body = el("div", { class: "rows", role: "rowgroup", tabindex: "0" }, probe, this.space);
    const head = el(
      "div",
      { role: "rowgroup" },
      el(
        "div",
        { class: "row head", role: "row", "aria-rowindex": "1" },
        ["Topic", "Value", "Trend", "Rate", "Age"].map((t, i) => el("span", { role: "columnheader", class: "c" + i }, tr(t))),
      ),
    );
    this.root = el(
      "div",
      {
        class: "table",
        role: "treegrid",
        "aria-label": tr("Topics"),
        tabindex: "0",
        onkeydown: (e) => this.#key(e),
        onfocus: () => this.#move(Math.max(0, this.#at)),
      },
      head,
      this.body,
    );
    this.body.addEventListener(
      "scroll",
      () => {
        this.#first = -1;
        this.on.dirty();
      },
      { passive: true },
    );
    this.space.addEventListener("click", (e) => this.#click(e));
    this.space.addEventListener("pointerdown", (e) => (this.held = e.button === 0));
    for (const end of ["pointerup", "pointercancel", "blur"]) addEventListener(end, () => (this.held = false));
    new ResizeObserver(() => {
      this.#measure();
      this.on.dirty();
    }).observe(this.body);
  }

  #measure() {
    this.tall = parseFloat(getComputedStyle(this.body).getPropertyValue("--row")) || 32;
    this.view = this.body.clientHeight;
    const w = this.body.clientWidth;
    this.sparkWidth = w < 640 ? 64 : w < 900 ? 96 : Math.min(900, Math.max(180, w - 800)); // names rarely need more
    this.root.style.setProperty("--spark", this.sparkWidth + "px");
    this.trends.style.left = this.probe.offsetLeft + "px";
    this.#anew();
  }

  // The rows are others, or of another size. Until they are painted a click means what
  // stands there still.
  #anew() {
    this.space.style.height = this.#rows.length * this.tall + "px";
    this.#first = this.#top = -1;
    for (const s of this.#slots) s.painted = false;
  }

  /**
   * show takes new rows. The active one stays the same topic where it can, else those
   * at the keyboard go on from its place; and what is read stays where it is.
   */
  show(rows) {
    const places = new Map(rows.map((r, i) => [keyOf(r), i])),
      first = Math.floor(this.body.scrollTop / this.tall),
      seen = first > 0 ? this.#rows.slice(first).findIndex((r) => places.has(keyOf(r))) : -1,
      by = seen < 0 ? 0 : places.get(keyOf(this.#rows[first + seen])) - first - seen,
      was = this.root.contains(document.activeElement) ? Math.min(this.#at, rows.length - 1) : -1;
    this.#rows = rows;
    this.root.setAttribute("aria-rowcount", rows.length + 1);
    this.#at = places.get(this.#path) ?? was;
    this.#tell();
    if (!this.tall) this.#measure();
    this.#anew();
    if (by) this.body.scrollTop += by * this.tall;
  }

  #tell() {
    if (this.#at < 0) this.root.removeAttribute("aria-activedescendant");
    else this.root.setAttribute("aria-activedescendant", "row" + this.#at);
  }

  get length() {
    return this.#rows.length;
  }

  /** first goes to the first topic, and opens it. */
  first(open) {
    const at = this.#rows.findIndex((r) => r.topic);
    if (at < 0) return;
    this.#activate(at);
    this.root.focus();
    if (open) this.on.open(this.#rows[at].topic, false);
  }

  /** paint brings the rows that are seen up to date. */
  paint(offline) {
    if (!this.view) this.#measure();
    if (!this.view) return;
    const first = Math.max(0, Math.floor(this.body.scrollTop / this.tall) - 2);
    const n = Math.min(this.#rows.length - first, Math.ceil(this.view / this.tall) + 5);
    const want = Math.ceil(this.view / this.tall) + 5;
    while (this.#slots.length < want) this.#slots.push(this.#slot());
    if (this.#top !== first * this.tall) this.#place(first * this.tall, Math.max(0, n) * this.tall);
    const lines = this.#trends.due();
    for (let i = 0; i < this.#slots.length; i++) {
      const at = first + ((i - (first % this.#slots.length) + this.#slots.length) % this.#slots.length);
      const s = this.#slots[i];
      if (at >= first + n || at >= this.#rows.length) {
        if (!s.root.hidden) s.root.hidden = true;
        continue;
      }
      this.#bind(s, this.#rows[at], at);
      if (!s.row.topic) continue;
      this.#live(s, s.row.topic, offline);
      if (s.drawn < 0 || (lines && s.drawn !== s.change)) this.#trend(s, s.row.topic);
    }
    if (this.#first !== first) {
      this.#first = first;
      this.on.seen(
        this.#rows
          .slice(first, first + n)
          .filter((r) => r.topic)
          .map((r) => r.topic),
      );
    }
  }

  // The canvas of the trends goes along with the first row, and all of them are drawn.
  #place(top, tall) {
    this.#top = top;
    if (!fit(this.trends, this.sparkWidth, tall)) this.trends.getContext("2d").clearRect(0, 0, this.sparkWidth, tall);
    Object.assign(this.trends.style, { transform: "translateY(" + top + "px)", width: this.sparkWidth + "px", height: tall + "px" });
    for (const s of this.#slots) s.drawn = -1;
  }

  /** again has what is on the screen told once more. */
  again() {
    this.#first = -1;
    this.on.dirty();
  }

  #slot() {
    const text = (c) => {
      const t = document.createTextNode("");
      return [t, el("span", { class: c, role: "gridcell" }, t)];
    };
    const s = { row: null, at: -1, change: -1, drawn: -1, painted: false };
    s.label = document.createTextNode("");
    s.dot = el("span", { class: "dot", role: "img" });
    s.note = document.createTextNode("");
    s.add = el("button", { type: "button", class: "add", tabindex: "-1", "data-add": "", title: tr("Add to the plot") }, icon("plus"));
    s.name = el("span", { class: "name", dir: "auto" }, el("bdi", null, s.label));
    const name = el(
      "span",
      { class: "c0", role: "gridcell" },
      el("span", { class: "fold" }, icon("open")),
      s.dot,
      s.name,
      el("span", { class: "note" }, s.note),
      s.add,
    );
    s.number = document.createTextNode("");
    s.unit = document.createTextNode("");
    s.value = el(
      "span",
      { class: "c1", role: "gridcell" },
      el("bdi", { class: "v" }, s.number),
      el("span", { class: "u" }, s.unit),
    );
    const trend = el("span", { class: "c2", role: "gridcell" });
    const [rateText, rateCell] = text("c3"),
      [ageText, ageCell] = text("c4");
    s.rate = rateText;
    s.age = ageText;
    s.root = el("div", { class: "row", role: "row" }, name, s.value, trend, rateCell, ageCell);
    this.space.append(s.root);
    return s;
  }

  #bind(s, row, at) {
    const active = at === this.#at;
    if (!s.painted || s.row !== row || s.at !== at) {
      s.painted = true;
      s.row = row;
      s.at = at;
      s.change = s.drawn = -1;
      s.root.hidden = false;
      s.root.style.transform = "translateY(" + at * this.tall + "px)";
      s.root.style.setProperty("--depth", row.depth);
      s.root.id = "row" + at;
      s.root.setAttribute("aria-rowindex", at + 2);
      s.root.setAttribute("aria-level", row.depth + 1);
      s.root.classList.toggle("folder", !row.topic);
      put(s.label, row.label);
      s.name.title = row.path;
      put(s.note, row.topic ? "" : tr(row.topics === 1 ? "{0} topic" : "{0} topics", row.topics));
      if (row.topic) s.root.removeAttribute("aria-expanded");
      else {
        s.root.setAttribute("aria-expanded", row.open);
        for (const t of [s.number, s.unit, s.rate, s.age]) put(t, "");
        s.state = "";
        s.dot.className = "dot";
        s.root.classList.remove("old");
      }
      s.add.hidden = !row.topic;
    }
    const colour = row.topic ? this.picked.get(row.path) || "" : "";
    if (s.colour !== colour) {
      s.colour = colour;
      s.root.style.setProperty("--series", colour);
      s.change = s.drawn = -1;
    }
    s.root.classList.toggle("picked", colour !== "");
    s.root.setAttribute("aria-selected", colour !== "");
    s.root.classList.toggle("active", active);
  }

  #live(s, t, offline) {
    const state = t.state(offline);
    if (s.state !== state) {
      s.state = state;
      s.dot.className = "dot " + state;
      s.dot.title = states[state];
      s.dot.setAttribute("aria-label", states[state]);
      s.root.classList.toggle("old", state !== "live");
    }
    const age = Math.max(0, t.age);
    s.dot.classList.toggle("beat", age < 400);
    put(s.age, t.seq ? (age < 1500 ? tr("now") : span(age / 1000)) : "–");
    put(s.rate, rate(t.now()));
    put(s.note, t.info?.durable ? tr("durable") : "");
    if (s.change === t.change) return;
    s.change = t.change;
    const words = t.fields.length !== 1,
      [v, u] = words ? [t.text, ""] : t.fields[0].word ? [t.fields[0].word, ""] : measure(t.value, t.unit, t.digits);
    put(s.number, v);
    put(s.unit, u);
    s.value.title = words ? v : "";
    s.root.classList.toggle("beyond", !words && beyond(t.value, limitsOf(t.name)) !== "");
    s.root.classList.toggle("words", words);
    s.root.classList.toggle("long", v.length > 11);
  }

  #trend(s, t) {
    s.drawn = t.change;
    const y = s.at * this.tall - this.#top + (this.tall - 24) / 2;
    draw(this.trends, t.fields.length === 1 ? t : nothing, this.sparkWidth, 24, s.colour || this.colours.line, { y });
  }

  #click(e) {
    const root = e.target.closest(".row"),
      s = this.#slots.find((x) => x.root === root);
    if (!s?.row) return;
    this.#activate(this.#rows.findIndex((r) => keyOf(r) === keyOf(s.row)));
    if (!s.row.topic) this.on.fold(s.row, !s.row.open);
    else this.on.open(s.row.topic, Boolean(e.target.closest("[data-add]")) || e.shiftKey || e.ctrlKey || e.metaKey);
  }

  #activate(at) {
    this.#at = at;
    this.#path = this.#rows[at] ? keyOf(this.#rows[at]) : "";
    this.#tell();
    this.on.dirty();
  }

  #move(at) {
    if (this.#rows.length === 0) return;
    at = Math.max(0, Math.min(this.#rows.length - 1, at));
    this.#activate(at);
    const top = at * this.tall;
    if (top < this.body.scrollTop) this.body.scrollTop = top;
    else if (top + this.tall > this.body.scrollTop + this.view) this.body.scrollTop = top + this.tall - this.view;
  }

  #key(e) {
    if ((e.target !== this.root && e.target !== this.body) || e.ctrlKey || e.metaKey || e.altKey) return;
    const row = this.#rows[this.#at],
      page = Math.max(1, Math.floor(this.view / this.tall) - 1);
    switch (e.key) {
      case "ArrowDown":
      case "j":
        this.#move(this.#at + 1);
        break;
      case "ArrowUp":
      case "k":
        this.#move(this.#at - 1);
        break;
      case "PageDown":
        this.#move(this.#at + page);
        break;
      case "PageUp":
        this.#move(this.#at - page);
        break;
      case "Home":
        this.#move(0);
        break;
      case "End":
        this.#move(this.#rows.length - 1);
        break;
      case "ArrowRight":
        if (row && !row.topic && !row.open) this.on.fold(row, true);
        else this.#move(this.#at + 1);
        break;
      case "ArrowLeft":
        if (row && !row.topic && row.open) this.on.fold(row, false);
        else if (row)
          for (let i = this.#at - 1; i >= 0; i--)
            if (this.#rows[i].depth < row.depth) {
              this.#move(i);
              break;
            }
        break;
      case "Enter":
        if (row?.topic) this.on.open(row.topic, e.shiftKey);
        else if (row) this.on.fold(row, !row.open);
        break;
      case " ":
        if (row?.topic) this.on.open(row.topic, true);
        else if (row) this.on.fold(row, !row.open);
        break;
      default:
        return;
    }
    e.preventDefault();
  }
}

/** empty says why there are no rows. */
export function empty(title, ...more) {
  return fill(
    el("div", { class: "blank" }),
    el("p", { class: "big" }, title),
    more.map((m) => (typeof m === "string" ? el("p", null, m) : m)),
  );
}
