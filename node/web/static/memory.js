// Memory: the arena as a whole, each topic against its cap, and what the rest takes.

import { tr } from "./lang.js";
import { el, fill, heads, put } from "./dom.js";
import { bytes } from "./reading.js";

const shown = 200;
const parts = [
  ["bytes_arena", "Stored readings"],
  ["bytes_topics", "Topics"],
  ["bytes_sessions", "Connections"],
  ["bytes_subscriptions", "Subscriptions"],
  ["bytes_ready", "Unread lists"],
];

const stored = [
  ["store_topics", "Durable topics"],
  ["store_subscriptions", "Durable subscriptions"],
  ["store_pending", "Waits to be written"],
  ["store_lost", "Readings gone"],
];

export class MemoryView {
  id = "memory";
  title = tr("Memory");
  #rows = [];

  constructor(page) {
    this.page = page;
    this.sum = document.createTextNode("");
    this.bar = el("meter", { min: "0", max: "1", value: "0", "aria-label": tr("Stored readings of all topics") });
    this.parts = el("dl", { class: "parts" });
    this.disk = document.createTextNode("");
    this.diskBar = el("meter", { min: "0", max: "1", value: "0", "aria-label": tr("Durable topics on disk") });
    this.diskParts = el("dl", { class: "parts" });
    this.diskCard = el(
      "section",
      { class: "card", "aria-label": tr("Durable topics on disk"), hidden: "" },
      el("h2", null, tr("On disk")),
      el("p", { class: "big" }, this.disk),
      this.diskBar,
      this.diskParts,
    );
    this.sort = el(
      "select",
      { "aria-label": tr("Order"), onchange: () => page.soon() },
      el("option", { value: "bytes" }, tr("Largest first")),
      el("option", { value: "fill" }, tr("Fullest first")),
      el("option", { value: "readings" }, tr("Most readings first")),
    );
    this.body = el("tbody");
    this.note = el("p", { class: "dim" });
    this.root = el(
      "div",
      { class: "view memory" },
      el("h1", { class: "hide" }, tr("Memory")),
      el(
        "section",
        { class: "card", "aria-label": tr("All topics together") },
        el("h2", null, tr("Stored readings")),
        el("p", { class: "big" }, this.sum),
        this.bar,
        this.parts,
      ),
      this.diskCard,
      el(
        "section",
        { class: "card", "aria-label": tr("Each topic against its cap") },
        el("div", { class: "bar" }, el("h2", null, tr("Topics against their caps")), this.sort),
        el(
          "div",
          { class: "scroll", tabindex: "0", role: "region", "aria-label": tr("Topics and their memory") },
          el("table", { class: "list caps" }, heads("Topic", "Held", "Of its cap", "Cap", "Readings", "Kind"), this.body),
        ),
        this.note,
      ),
    );
  }

  paint() {
    const s = this.page.topics.all.get("$sys/stats")?.data;
    if (s) {
      put(this.sum, tr("{0} of {1}", bytes(s.bytes_arena), bytes(s.bytes_budget)));
      this.bar.value = s.bytes_arena / s.bytes_budget;
      if (this.was !== s)
        fill(
          this.parts,
          parts.map(([k, n]) => el("div", null, el("dt", null, tr(n)), el("dd", null, bytes(s[k] || 0)))),
          el("div", null, el("dt", null, tr("Readings evicted")), el("dd", null, String(s.evicted ?? 0))),
        );
      if (this.was !== s) this.#store(s);
      this.was = s;
    }
    const by = { bytes: (i) => i.bytes, fill: (i) => i.bytes / i.cap, readings: (i) => i.readings }[this.sort.value];
    const list = [];
    for (const t of this.page.topics.all.values()) if (t.info?.cap) list.push(t.info);
    list.sort((a, b) => by(b) - by(a) || (a.topic < b.topic ? -1 : 1));
    const n = Math.min(shown, list.length);
    while (this.#rows.length < n) this.#rows.push(this.#row());
    while (this.#rows.length > n) this.#rows.pop().tr.remove();
    for (let i = 0; i < n; i++) {
      const r = this.#rows[i],
        t = list[i],
        share = Math.min(1, t.bytes / t.cap);
      [
        t.topic,
        bytes(t.bytes),
        Math.round(share * 100) + " %",
        bytes(t.cap),
        String(t.readings),
        (t.static ? tr("static") : tr("dynamic")) + (t.durable ? ", " + tr("durable") : ""),
      ].forEach((x, k) => put(r.cells[k], x));
      if (r.share !== share) r.meter.value = r.share = share;
    }
    const rest = list.length > shown ? tr("The first {0} of {1}.", shown, list.length) + " " : "";
    this.note.textContent = rest + tr("A topic at its cap loses its oldest reading to each new one; its newest always stays.");
  }

  // What lies on disk. A hub whose directory takes no files has none.
  #store(s) {
    this.diskCard.hidden = !s.store_budget;
    if (!s.store_budget) return;
    put(this.disk, (s.store_failed ? tr("Cannot be written!") + " " : "") + tr("{0} of {1}", bytes(s.store_bytes), bytes(s.store_budget)));
    this.diskBar.value = s.store_bytes / s.store_budget;
    fill(
      this.diskParts,
      stored.map(([k, n]) => el("div", null, el("dt", null, tr(n)), el("dd", null, k === "store_pending" ? bytes(s[k]) : String(s[k])))),
    );
  }

  #row() {
    const cells = Array.from({ length: 6 }, () => document.createTextNode("")),
      meter = el("meter", { min: "0", max: "1", "aria-hidden": "true" });
    const line = el(
      "tr",
      null,
      el("th", { scope: "row" }, el("bdi", null, cells[0])),
      el("td", { class: "n" }, cells[1]),
      el("td", { class: "m" }, meter, el("span", null, cells[2])),
      el("td", { class: "n" }, cells[3]),
      el("td", { class: "n" }, cells[4]),
      el("td", null, cells[5]),
    );
    this.body.append(line);
    return { tr: line, cells, meter, share: -1 };
  }
}
