// The log: readings as they come, with their times, and what happened at the hub.

import { tr } from "./lang.js";
import { button, el, fill } from "./dom.js";
import { clock, decimals, measure, plain } from "./reading.js";
import { keep, recall } from "./layout.js";
import { fits } from "./pattern.js";
import { refusal } from "./me.js";

const most = 2000, // lines kept while somebody looks
  shown = 300; // lines on the page, and kept until somebody does

export class LogView {
  id = "log";
  title = tr("Log");
  #lines = [];
  #n = 0;
  #painted = 0;
  #paused = false;
  #open = false;
  #present = new Map();

  constructor(page) {
    this.page = page;
    this.patterns = recall("patterns", ["#"]).slice(0, 32);
    this.filter = el("input", {
      type: "search",
      placeholder: tr("Filter the log"),
      "aria-label": tr("Filter the log"),
      oninput: () => this.#again(),
    });
    this.what = el(
      "select",
      { "aria-label": tr("What is shown"), onchange: () => this.#again() },
      el("option", { value: "" }, tr("Readings and notices")),
      el("option", { value: "reading" }, tr("Readings")),
      el("option", { value: "notice" }, tr("Notices")),
    );
    this.pause = button(tr("Pause"), () => this.#stop(!this.#paused), { kind: "toggle" });
    this.pattern = el("input", {
      "aria-label": tr("Pattern to subscribe to"),
      placeholder: "greenhouse/# or +/temp",
      spellcheck: "false",
      autocomplete: "off",
      maxlength: "128",
    });
    this.chips = el("ul", { class: "chips", "aria-label": tr("Subscriptions") });
    this.list = el("ol", { class: "lines", tabindex: "0", "aria-label": tr("Log, newest first") });
    this.root = el(
      "div",
      { class: "view log" },
      el("h1", { class: "hide" }, tr("Log")),
      el(
        "div",
        { class: "bar" },
        this.filter,
        this.what,
        this.pause,
        button(
          tr("Clear"),
          () => {
            this.#lines = [];
            this.#again();
          },
          { text: true },
        ),
        button(tr("Publish"), () => page.actions.publish(), { icon: "send", kind: "primary", text: true }),
      ),
      el(
        "form",
        {
          class: "bar subs",
          onsubmit: (e) => {
            e.preventDefault();
            this.#subscribe(this.pattern.value.trim());
          },
        },
        el("span", { class: "dim" }, tr("Subscribed to")),
        this.chips,
        this.pattern,
        el("button", { class: "button" }, tr("Subscribe")),
      ),
      this.list,
    );
    this.#chips();
  }

  #chips() {
    fill(
      this.chips,
      this.patterns.map((p) =>
        el(
          "li",
          null,
          el("bdi", null, p),
          button(tr("Unsubscribe from {0}", p), () => this.#unsubscribe(p), { icon: "close" }),
        ),
      ),
    );
  }

  #subscribe(p) {
    if (!p || this.patterns.includes(p)) return;
    this.patterns.push(p);
    this.pattern.value = "";
    this.#kept();
    this.#want(p);
  }

  #unsubscribe(p) {
    this.patterns = this.patterns.filter((x) => x !== p);
    this.#kept();
    this.page.link.drop(p, "log");
  }

  #kept() {
    keep("patterns", this.patterns);
    this.#chips();
  }

  // At most twenty a second of each topic: what a person can follow, and more.
  #want(p) {
    this.page.link.want(
      p,
      "log",
      { last: p === "#" ? 0 : 1, rate: 20 },
      {
        refused: (e) => {
          this.page.say(p + ": " + refusal(e), true);
          this.#unsubscribe(p);
        },
      },
    );
  }

  show() {
    this.#open = true;
    for (const p of this.patterns) this.#want(p);
    this.#again();
  }

  hide() {
    this.#open = false;
    for (const p of this.patterns) this.page.link.drop(p, "log");
  }

  #stop(on) {
    this.#paused = on;
    this.pause.setAttribute("aria-pressed", on);
    if (!on) this.#again();
  }

  take(m, fresh) {
    if (m.topic.startsWith("$sys/presence/")) return this.#presence(m, fresh);
    if (!fresh && !this.#open) return;
    if (this.patterns.some((p) => fits(p, m.topic))) this.#push({ ts: m.ts, kind: "reading", topic: m.topic, text: this.#text(m), drop: m.drop });
  }

  // The hub tells who is there; only changes are news.
  #presence(m, fresh) {
    const d = m.data;
    if (!d || !fresh) return;
    const before = this.#present.get(d.client);
    this.#present.set(d.client, d.state);
    if (this.#present.size > 5000) this.#present.clear();
    if (before !== d.state && (before !== undefined || d.state !== "offline"))
      this.#push({
        ts: m.ts,
        kind: "notice",
        topic: d.client,
        text: tr("is " + d.state) + (d.dialect ? ", " + d.dialect : "") + (d.addr ? ", " + d.addr : ""),
      });
  }

  listed(gone) {
    for (const name of gone.slice(0, 20))
      this.#push({ ts: this.page.link.clock.now(), kind: "notice", topic: name, text: tr("is gone") });
  }

  notice(text) {
    this.#push({ ts: this.page.link.clock.now(), kind: "notice", topic: "", text });
  }

  #push(line) {
    line.n = ++this.#n;
    this.#lines.push(line);
    const limit = this.#open ? most : shown;
    if (this.#lines.length > limit * 1.2) this.#lines.splice(0, this.#lines.length - limit);
  }

  #fits(l) {
    if (this.what.value && l.kind !== this.what.value) return false;
    const f = this.filter.value.toLowerCase();
    if (!f) return true;
    return l.topic.toLowerCase().includes(f) || l.text.toLowerCase().includes(f);
  }

  #text(m) {
    const f = this.page.fields(m.data);
    if (f.length !== 1) return plain(m.data, 400);
    return f[0].word || measure(f[0].value, f[0].unit, decimals(f[0].value)).join(" ").trim();
  }

  #again() {
    this.#painted = 0;
    this.list.replaceChildren();
    this.page.soon();
  }

  paint() {
    if (this.#paused || this.#painted === this.#n) return;
    const rows = [];
    for (let i = this.#lines.length - 1; i >= 0 && this.#lines[i].n > this.#painted && rows.length < shown; i--)
      if (this.#fits(this.#lines[i])) rows.push(this.#row(this.#lines[i]));
    this.#painted = this.#n;
    this.list.prepend(...rows);
    while (this.list.children.length > shown) this.list.lastChild.remove();
  }

  #row(l) {
    return el(
      "li",
      { class: l.kind },
      el("time", null, clock(l.ts, true)),
      el("bdi", { class: "t" }, l.topic),
      el("bdi", { class: "x" }, l.text),
      l.drop ? el("span", { class: "drop", title: tr("readings in between that were not shown") }, "+" + l.drop) : null,
    );
  }

  key(e) {
    if (e.key === "/") this.filter.focus();
    else if (e.key === " ") this.#stop(!this.#paused);
    else return false;
    return true;
  }
}
