// Who is connected: name, URL, dialect, encoding, rates, losses; cut.

import { tr } from "./lang.js";
import { api } from "./api.js";
import { button, el, fill, heads, put } from "./dom.js";
import { rate, span } from "./reading.js";
import { refusal } from "./me.js";

const columns = ["Client", "Dialect", "Address", "URL", "Subs", "In", "Out", "Lost", "For"];

export class ClientsView {
  id = "clients";
  title = tr("Clients");
  #rows = new Map(); // key → {tr, cells, at, in, out}
  #timer = 0;

  constructor(page) {
    this.page = page;
    this.filter = el("input", {
      type: "search",
      placeholder: tr("Filter clients"),
      "aria-label": tr("Filter clients"),
      oninput: () => this.#paint(),
    });
    this.count = el("span", { class: "count" });
    this.body = el("tbody");
    this.wall = el("div", { hidden: true });
    this.table = el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": tr("Clients") },
      el("table", { class: "list" }, heads(...columns, "-Cut"), this.body),
    );
    this.root = el(
      "div",
      { class: "view clients" },
      el("h1", { class: "hide" }, tr("Clients")),
      el("div", { class: "bar" }, this.filter, this.count),
      this.wall,
      this.table,
    );
    this.list = [];
  }

  show() {
    this.#poll();
  }
  hide() {
    clearTimeout(this.#timer);
  }
  access() {
    for (const r of this.#rows.values()) r.tr.remove(); // what a row offers hangs on who looks
    this.#rows.clear();
    if (this.root.isConnected) this.show();
  }

  async #poll() {
    clearTimeout(this.#timer);
    try {
      this.list = await this.#fetch();
      this.wall.hidden = true;
      this.table.hidden = false;
      this.#paint();
    } catch (e) {
      if (e.code === 401 || e.code === 403) {
        if (this.wall.hidden) fill(this.wall, this.page.me.wall(tr("to see who is connected")));
        this.wall.hidden = false;
        this.table.hidden = true;
      }
    }
    if (this.root.isConnected) this.#timer = setTimeout(() => this.#poll(), 2000);
  }

  // The API tells more; the link's own list is what a hub without it has.
  async #fetch() {
    if (!this.bare) {
      try {
        return (await api("GET", "api/clients")).clients || [];
      } catch (e) {
        if (e.code !== 404) throw e;
        this.bare = true;
      }
    }
    return (await this.page.link.request({ op: "list", opts: { what: "clients" } })).data;
  }

  #paint() {
    const f = this.filter.value.toLowerCase(),
      now = performance.now(),
      ms = this.page.link.clock.now(),
      seen = new Set();
    for (const c of this.list) {
      const key = (c.id ?? c.client) + (c.id === undefined ? " " + c.since : "");
      let r = this.#rows.get(key);
      if (!r) {
        this.#rows.set(key, (r = this.#row(c)));
        r.came = now - Math.max(0, ms - c.since); // from here on by a clock that nobody sets
      }
      seen.add(key);
      if (r.at !== this.list) {
        const dt = (now - r.when) / 1000;
        r.rin = r.at ? (c.in - r.in) / dt : 0;
        r.rout = r.at ? (c.out - r.out) / dt : 0;
        Object.assign(r, { at: this.list, when: now, in: c.in, out: c.out });
      }
      r.dot.className = "dot " + (c.state === "stale" ? "stale" : "live");
      r.dot.title = c.state || "online";
      if (r.client !== c.client) {
        r.client = c.client; // a client says its name when it is there already
        r.mine.hidden = c.client !== this.page.name();
        r.cut?.setAttribute("aria-label", tr("Cut {0}", c.client));
        if (r.cut) r.cut.title = tr("Cut {0}", c.client);
      }
      [
        c.client,
        [c.dialect, c.enc].filter(Boolean).join(" · "),
        c.addr,
        c.url,
        String(c.subs),
        rate(r.rin) || "–",
        rate(r.rout) || "–",
        c.drop ? String(c.drop) : "–",
        span((now - r.came) / 1000),
      ].forEach((t, i) => put(r.cells[i], t || "–"));
      r.tr.classList.toggle("lossy", c.drop > 0);
      r.tr.hidden = Boolean(f) && !(c.client + " " + c.url + " " + c.addr + " " + c.dialect).toLowerCase().includes(f);
    }
    for (const [key, r] of this.#rows) if (!seen.has(key)) (r.tr.remove(), this.#rows.delete(key));
    this.count.textContent = tr(this.list.length === 1 ? "{0} connection" : "{0} connections", this.list.length);
  }

  #row(c) {
    const cells = columns.map(() => document.createTextNode("")),
      dot = el("i", { class: "dot" }),
      mine = el("small", { hidden: true }, tr("this page")),
      cut =
        c.id !== undefined && c.addr !== "local" && this.page.me.admin
          ? button(tr("Cut {0}", c.client), () => this.#cut(c), { icon: "close", kind: "danger" })
          : null;
    const line = el(
      "tr",
      null,
      el(
        "th",
        { scope: "row" },
        dot,
        el("bdi", null, cells[0]),
        mine,
      ),
      cells.slice(1).map((t, i) => el("td", { class: i > 2 ? "n" : "", "data-label": tr(columns[i + 1]) }, el("bdi", null, t))),
      el("td", null, cut),
    );
    this.body.append(line);
    return { tr: line, cells, dot, mine, cut, at: null, when: 0, in: 0, out: 0 };
  }

  async #cut(c) {
    try {
      await api("DELETE", "api/clients/" + c.id);
      this.page.say(tr("{0} was cut.", c.client));
      this.#poll();
    } catch (e) {
      this.page.say(refusal(e), true);
    }
  }

  key(e) {
    if (e.key !== "/") return false;
    this.filter.focus();
    return true;
  }
}
