// The first view: the tree, its filter, and the pane with the plot.

import { button, el, fill } from "./dom.js";
import { keep, recall } from "./layout.js";
import { tr } from "./lang.js";
import { Pane } from "./pane.js";
import { empty, Table } from "./table.js";
import { Tiles } from "./tile.js";
import { rowsOf } from "./tree.js";

export class TopicsView {
  id = "topics";
  title = tr("Topics");
  #births = -1;
  #rowsAt = 0;

  constructor(page) {
    this.page = page;
    this.tiles = new Tiles(page, tr("Pinned topics"));
    this.closed = new Set(recall("closed", []));
    this.table = page.table = new Table({
      open: (t, add) => this.pane.open(t, add),
      fold: (row, open) => this.#fold(row.path, open),
      seen: (list) => this.#seen(list),
      dirty: page.soon,
    });
    this.pane = new Pane(page);
    this.filter = el("input", {
      type: "search",
      id: "filter",
      placeholder: tr("Filter topics"),
      "aria-label": tr("Filter topics"),
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => {
        this.rows();
        this.table.body.scrollTop = 0;
      },
      onkeydown: (e) => this.#search(e),
    });
    this.flat = button(tr("List"), () => this.#toggle("flat"), { kind: "toggle", title: tr("All topics as one list") });
    this.late = button(tr("Late"), () => this.#toggle("late"), {
      kind: "toggle",
      title: tr("Only topics that are stale, quiet or whose sender is offline"),
    });
    this.system = button("$sys", () => this.#toggle("system"), { kind: "toggle", title: tr("The hub's own topics too") });
    this.pinned = button(tr("Tiles"), () => this.#toggle("tiles", true), { kind: "toggle tiles-too", title: tr("Pinned topics as tiles") });
    this.count = el("span", { class: "count" });
    this.none = el("div", { class: "none", hidden: true });
    this.root = el(
      "div",
      { class: "view topics" },
      el("h1", { class: "hide" }, tr("Topics")),
      el(
        "section",
        { class: "tree", "aria-label": tr("All topics") },
        this.tiles.root,
        el(
          "div",
          { class: "bar" },
          this.filter,
          this.flat,
          this.late,
          this.system,
          this.pinned,
          this.count,
          button(tr("New topic"), () => page.actions.make(), { icon: "plus" }),
          button(tr("Publish"), () => page.actions.publish(this.pane.names[0]), { icon: "send", kind: "primary", text: true }),
        ),
        this.table.root,
        this.none,
      ),
      this.pane.root,
    );
    this.#pressed();
    this.themed();
  }

  themed() {
    this.tiles.again();
    this.table.colours = { line: this.page.dark() ? "#7f8c98" : "#7a8782" };
    this.table.picked = new Map(this.pane.names.map((n, i) => [n, this.pane.colour(i)]));
    this.rows();
  }

  show() {
    this.rows();
  }

  #toggle(what, otherwise = false) {
    keep(what, !recall(what, otherwise));
    this.#pressed();
    this.rows();
  }

  #pressed() {
    for (const what of ["flat", "late", "system"]) this[what].setAttribute("aria-pressed", recall(what, false));
    this.pinned.setAttribute("aria-pressed", recall("tiles", true));
  }

  #fold(path, open) {
    open ? this.closed.delete(path) : this.closed.add(path);
    keep("closed", [...this.closed].slice(-500));
    this.rows();
  }

  /** rows makes the rows anew: after births, a filter, a fold. */
  rows() {
    const { topics, link } = this.page;
    if (this.table.held) return void (this.#births = -1); // when it is let go
    this.#births = topics.births;
    this.#rowsAt = performance.now();
    const late = recall("late", false),
      sys = recall("system", false);
    const rows = rowsOf(topics.all.values(), {
      filter: this.filter.value,
      closed: this.closed,
      flat: recall("flat", false),
      only: (t) => (sys || t.name[0] !== "$") && (!late || !["live", "empty"].includes(t.state(topics.offline))),
    });
    this.table.show(rows);
    const n = rows.reduce((n, r) => n + (r.topic ? 1 : 0), 0);
    let all = 0;
    for (const name of topics.all.keys()) if (sys || name[0] !== "$") all++;
    this.count.textContent = this.filter.value || late ? tr("{0} of {1}", n, all) : tr(all === 1 ? "{0} topic" : "{0} topics", all);
    this.none.hidden = rows.length > 0;
    const why = this.wall ? "wall" : all ? "filter" + late : link.hub && this.page.heard ? "nothing" : "unknown";
    if (!rows.length && (this.why !== why || !this.none.firstChild)) {
      this.why = why;
      fill(
        this.none,
        this.wall
          ? this.page.me.wall(tr("to read this hub's topics"))
          : all && (this.filter.value || late)
            ? empty(
                late && !this.filter.value ? tr("Nothing is late") : tr("No topic fits"),
                late ? tr("Every topic had a reading in its time.") : tr("Try fewer letters; words are looked for one by one."),
              )
            : why === "unknown"
              ? ""
              : empty(
                  tr("No topics yet"),
                  tr("A topic appears with its first reading. From a terminal:"),
                  el("pre", null, "curl -d 21.5 " + here("api/pub/greenhouse/1/temp")),
                ),
      );
    }
    this.page.soon();
  }

  take(m, fresh) {
    this.pane.take(m);
    if (fresh && m.topic.startsWith("$sys/presence/") && m.data) {
      const { client, state } = m.data,
        set = this.page.topics.offline;
      state === "offline" ? set.add(client) : set.delete(client);
    }
  }

  /** refused: who looks may not read everything; a token may help. */
  refused(e) {
    this.wall = e && (e.code === 401 || e.code === 403) ? e : null;
    this.rows();
  }

  access() {
    this.why = ""; // what is shown may be another now
    this.rows();
  }

  /** went shows what the address says. */
  went(to) {
    this.pane.set(to.plots, to.span, to.to / 1000);
  }

  restart() {
    this.pane.restart();
  }

  listed() {
    if (recall("late", false) || !this.table.length) this.#births = -1;
  }

  paint() {
    const { topics, pins } = this.page;
    if (this.#births !== topics.births && performance.now() - this.#rowsAt > Math.min(2000, 150 + topics.all.size / 8)) this.rows();
    this.table.paint(topics.offline);
    pins.look();
    this.tiles.show(recall("tiles", true) ? pins.tiles : []);
    this.tiles.paint();
    this.pane.paint();
  }

  // A sparkline begins with what the hub has stored: asked once for what is on the screen.
  #seen(list) {
    const { link, topics, pins, past, focus } = this.page;
    if (link.state !== "live") return;
    focus.see([...list, ...pins.tiles.map((n) => topics.all.get(n)).filter(Boolean)], topics.all, this.page.rate());
    past.ask(list, () => this.table.again());
  }

  // From the filter on to what it found.
  #search(e) {
    if (e.key === "ArrowDown") this.table.first();
    else if (e.key === "Enter") this.rows(), this.table.first(true);
    else if (e.key === "Escape" && this.filter.value) (this.filter.value = ""), this.rows();
    else return;
    e.preventDefault();
  }

  key(e) {
    if (e.key === "/") this.filter.focus();
    else if (e.key === "Escape" && this.pane.names.length) this.pane.close();
    else return false;
    return true;
  }
}

// here is the address of something of this hub's as this page reaches it.
const here = (path) => new URL(path, location.href.split("#")[0]).href;
