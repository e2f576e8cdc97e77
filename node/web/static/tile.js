// A tile: a topic's value in large digits, its line, its age, its state. It is a
// link to the topic's plot.

import { el, fill, put } from "./dom.js";
import { tr } from "./lang.js";
import { beyond, limitsOf } from "./limits.js";
import { measure, span } from "./reading.js";
import { format } from "./route.js";
import { draw, fit, Seldom } from "./spark.js";
import { states } from "./table.js";

/** Tile is one of them. */
export class Tile {
  #change = -1;
  #drawn = -1; // the change that its line shows
  #size = 0;
  #state = "";

  constructor(page, name) {
    this.page = page;
    this.name = name;
    const at = name.lastIndexOf("/") + 1,
      text = () => document.createTextNode("");
    Object.assign(this, { value: text(), unit: text(), foot: text(), age: text() });
    this.dot = el("i", { class: "dot empty", role: "img" });
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.link = el(
      "a",
      { href: format({ id: "topics", plots: [name] }), title: name },
      el("span", { class: "tile-name" }, this.dot, el("bdi", null, el("span", null, name.slice(0, at)), el("strong", null, name.slice(at)))),
      el("span", { class: "tile-value" }, el("bdi", null, this.value), el("small", null, this.unit)),
      el("span", { class: "tile-foot" }, el("strong", null, this.foot), el("span", null, this.age)),
      this.canvas,
    );
    this.root = el("li", { class: "tile" }, this.link);
  }

  /** paint brings it up to date. */
  paint(colour, [w, h], lines) {
    const t = this.page.topics.all.get(this.name),
      state = t ? t.state(this.page.topics.offline) : "empty",
      limits = limitsOf(this.name, t?.fields[0]?.name && t.fields.length > 1 ? t.fields[0].name : ""),
      side = t?.fields.length ? beyond(t.value, limits) : "",
      key = state + side + colour + (limits ? limits.low + " " + limits.high : "");
    const age = Math.max(0, t?.age ?? 0);
    put(this.age, t?.seq ? (age < 1500 ? tr("now") : span(age / 1000)) : "–");
    const change = t?.change ?? 0;
    if (w && (this.#state !== key || this.#size !== w + h / 1000 || (lines && this.#drawn !== change))) {
      this.#drawn = change;
      this.#size = w + h / 1000;
      fit(this.canvas, w, h);
      draw(this.canvas, t || { at: 0 }, w, h, side ? colour.bad : colour.line, { filled: true });
    }
    if (this.#state === key && this.#change === change) return;
    if (this.#state !== key) {
      this.#state = key;
      this.root.className = "tile " + (side ? "beyond" : state);
      this.dot.className = "dot " + state;
      this.dot.setAttribute("aria-label", states[state]);
    }
    this.#change = change;
    const one = t?.fields.length === 1,
      [v, u] = !t ? ["–", ""] : !one ? [t.text || "–", ""] : t.fields[0].word ? [t.fields[0].word, ""] : measure(t.value, t.unit, t.digits);
    put(this.value, v);
    put(this.unit, u);
    this.root.classList.toggle("words", !one && v.length > 3);
    this.root.classList.toggle("long", v.length + u.length > 9);
    const bound = side && measure(side === "low" ? limits.low : limits.high, t.unit).join(" ").trim();
    put(this.foot, side ? (side === "low" ? tr("below {0}", bound) : tr("above {0}", bound)) : state === "live" || state === "empty" ? "" : states[state].split(":")[0]);
  }
}

/** Tiles is a row or a field of them. */
export class Tiles {
  #tiles = [];
  #names = "";
  #sizes = null; // of the tiles' lines
  #lines = new Seldom();

  constructor(page, label) {
    this.page = page;
    this.root = el("ul", { class: "tiles", "aria-label": label });
    new ResizeObserver(() => {
      this.#sizes = null;
      page.soon();
    }).observe(this.root);
  }

  /** show takes the names; more(name, i) is what stands beside a tile. */
  show(names, more) {
    const key = names.join("\n") + Boolean(more);
    if (key !== this.#names) {
      this.#names = key;
      this.#tiles = names.map((n) => new Tile(this.page, n));
      this.#sizes = null;
      fill(this.root, this.#tiles.map((t, i) => (more && t.root.append(more(t.name, i)), t.root)));
    }
    this.root.hidden = !names.length;
  }

  /** again has all of them drawn anew: another width, other units. */
  again() {
    this.#names = "";
  }

  paint() {
    const dark = this.page.dark(),
      colour = { line: dark ? "#4fd1b0" : "#0b7560", bad: dark ? "#ff8a80" : "#b3261e", toString: () => String(dark) };
    const { all } = this.page.topics;
    this.page.past.ask(this.#tiles.map((t) => all.get(t.name)).filter(Boolean));
    this.#sizes ||= this.#tiles.map(({ canvas: c }) => [c.clientWidth, c.clientHeight]); // before anything is written
    const lines = this.#lines.due();
    this.#tiles.forEach((t, i) => t.paint(colour, this.#sizes[i], lines));
  }
}
