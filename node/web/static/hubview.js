// The hub itself: where it listens, relay rooms and broadcast, who may come in, its figures.

import { tr } from "./lang.js";
import { api } from "./api.js";
import { button, el, fill, heads, put } from "./dom.js";
import { field } from "./actions.js";
import { refusal } from "./me.js";
import { Invite } from "./invite.js";
import { clock, span } from "./reading.js";

export class HubView {
  id = "hub";
  title = tr("Hub");
  #timer = 0;
  #figures = null;

  constructor(page) {
    this.page = page;
    this.who = el("div");
    this.about = el("dl", { class: "parts" });
    this.losses = el("dl", { class: "parts" });
    this.listeners = el("tbody");
    this.rooms = el("div", { class: "rooms" });
    this.invite = new Invite(page);
    this.addr = el("input", { required: true, placeholder: "0.0.0.0:8000", spellcheck: "false", autocomplete: "off" });
    this.dialect = el("select");
    this.text = el("textarea", { rows: "2", required: true, placeholder: tr("What everybody in the room should read") });
    this.room = el("select", null, el("option", { value: "" }, tr("all rooms")));
    const links = [
      ["api/openapi.json", "OpenAPI"],
      ["api/asyncapi.json", "AsyncAPI"],
      ["api/topicd.cddl", "CDDL"],
      [".well-known/wot", tr("Thing Description")],
      ["metrics", tr("Metrics")],
      ["api/stats", tr("Stats")],
    ];
    this.cards = {
      listeners: this.#card(
        tr("Listeners"),
        el("table", { class: "list" }, heads("Address", "Speaks", "Open for", "-Close"), this.listeners),
        el(
          "form",
          { class: "bar wrap", onsubmit: (e) => this.#listen(e) },
          field(tr("IP and port"), this.addr),
          field(tr("Dialect"), this.dialect),
          el("button", { class: "button primary" }, tr("Open")),
        ),
      ),
      relay: this.#card(
        tr("Relay and broadcast"),
        this.rooms,
        el(
          "form",
          { class: "stack", onsubmit: (e) => this.#broadcast(e) },
          field(tr("Text"), this.text),
          el("div", { class: "bar wrap" }, field(tr("To"), this.room), el("button", { class: "button primary" }, tr("Broadcast"))),
        ),
      ),
      invite: this.#card(tr("Who may come in"), this.invite.root),
    };
    this.root = el(
      "div",
      { class: "view hub" },
      el("h1", { class: "hide" }, tr("Hub")),
      el(
        "div",
        { class: "cards" },
        el(
          "section",
          { class: "card", "aria-label": tr("This hub") },
          el("h2", null, tr("This hub")),
          this.who,
          this.about,
          el(
            "p",
            { class: "links" },
            links.map(([h, t]) => el("a", { href: h, target: "_blank", rel: "noopener" }, t)),
          ),
        ),
        this.cards.listeners.root,
        this.cards.relay.root,
        this.cards.invite.root,
        el("section", { class: "card", "aria-label": tr("Losses and refusals") }, el("h2", null, tr("Losses and refusals")), this.losses),
      ),
    );
  }

  #card(title, ...inside) {
    const body = el("div", null, inside),
      wall = el("div", { hidden: true });
    return { root: el("section", { class: "card", "aria-label": title }, el("h2", null, title), wall, body), body, wall };
  }

  show() {
    fill(this.who, this.page.me.line());
    this.#poll();
  }

  hide() {
    clearTimeout(this.#timer);
  }
  access() {
    if (this.root.isConnected) this.show();
  }

  async #poll() {
    clearTimeout(this.#timer);
    await Promise.all([
      this.#load("listeners", async () => this.#listed(await api("GET", "api/listeners"))),
      this.#load("relay", async () => this.#relay((await api("GET", "api/relay")).rooms || [])),
      this.#load("invite", () => this.invite.load()),
    ]);
    if (this.root.isConnected) this.#timer = setTimeout(() => this.#poll(), 3000);
  }

  // What only an admin sees is not even asked for by others.
  async #load(card, ask) {
    const c = this.cards[card];
    let why = "";
    c.root.hidden = !this.page.me.admin;
    try {
      if (!c.root.hidden) await ask();
    } catch (e) {
      if (!e.code) return;
      why = e.code === 404 ? tr("This hub does not offer it.") : refusal(e);
    }
    c.wall.hidden = !why;
    c.body.hidden = Boolean(why);
    if (c.why !== why) fill(c.wall, el("p", { class: "dim" }, (c.why = why)));
  }

  #listed(answer) {
    const now = this.page.link.clock.now(),
      list = answer.listeners || [],
      dialects = [{ name: "", title: tr("all, told apart") }, ...(answer.dialects || [])],
      key = ageless(answer);
    if (this.#figures !== key) {
      this.#figures = key;
      this.ages = list.map(() => document.createTextNode(""));
      const chosen = this.dialect.value;
      fill(
        this.dialect,
        dialects.map((d) => el("option", { value: d.name }, d.title)),
      );
      this.dialect.value = chosen;
      fill(
        this.listeners,
        list.map((l, i) =>
          el(
            "tr",
            null,
            el("th", { scope: "row" }, l.addr),
            el("td", null, dialects.find((d) => d.name === l.dialect)?.title || l.dialect),
            el("td", null, this.ages[i]),
            el(
              "td",
              null,
              button(tr("Close {0}", l.addr), () => this.#close(l), { icon: "close", kind: "danger" }),
            ),
          ),
        ),
      );
    }
    list.forEach((l, i) => put(this.ages[i], span((now - l.since) / 1000)));
  }

  async #listen(e) {
    e.preventDefault();
    await this.#do(async () => {
      const l = await api("POST", "api/listeners", { addr: this.addr.value.trim(), dialect: this.dialect.value });
      this.page.say(tr("Listening on {0}.", l?.addr || this.addr.value));
      this.addr.value = "";
    });
  }

  #close(l) {
    const here = l.addr.endsWith(":" + (location.port || "80"));
    this.page.actions.confirm(
      tr("Close {0}?", l.addr),
      (here ? tr("This page may itself come from there.") + " " : "") +
        (l.fixed
          ? tr("It is of the configuration and comes back when the hub is restarted.")
          : tr("Whoever is connected there stays; nobody new gets in.")),
      tr("Close"),
      async () => {
        await api("DELETE", "api/listeners?addr=" + encodeURIComponent(l.addr));
        this.page.say(tr("{0} is closed.", l.addr));
        this.#poll();
      },
    );
  }

  async #broadcast(e) {
    e.preventDefault();
    await this.#do(async () => {
      await api("POST", "api/broadcast", { text: this.text.value, ...(this.room.value ? { room: this.room.value } : {}) });
      this.page.say(tr("Sent to {0}.", this.room.value || tr("all rooms")));
      this.text.value = "";
    });
  }

  async #do(what) {
    if (this.busy) return; // a double click is one
    this.busy = true;
    try {
      await what();
      this.#poll();
    } catch (e) {
      this.page.say(refusal(e), true);
    }
    this.busy = false;
  }

  #relay(rooms) {
    const key = ageless(rooms),
      members = rooms.flatMap((r) => r.members || []);
    if (this.was !== key) this.#rooms(rooms, members);
    this.was = key;
    members.forEach((m, i) => put(this.stays[i], span((this.page.link.clock.now() - m.since) / 1000)));
  }

  #rooms(rooms, members) {
    this.stays = members.map(() => document.createTextNode(""));
    const chosen = this.room.value,
      left = this.stays.values(),
      folds = new Map([...this.rooms.querySelectorAll("details")].map((d) => [d.dataset.room, d.open])); // as somebody left them
    fill(
      this.room,
      el("option", { value: "" }, tr("all rooms")),
      rooms.map((r) => el("option", { value: r.room }, r.room)),
    );
    this.room.value = rooms.some((r) => r.room === chosen) ? chosen : "";
    fill(
      this.rooms,
      rooms.length
        ? rooms.map((r) =>
            el(
              "details",
              { open: folds.get(r.room) ?? rooms.length < 4, "data-room": r.room },
              el("summary", null, el("bdi", null, r.room), " ", el("small", null, tr("{0} online", (r.members || []).length))),
              el(
                "ul",
                { class: "members" },
                (r.members || []).map((m) =>
                  el(
                    "li",
                    null,
                    el("i", { class: "dot live" }),
                    el("bdi", null, m.url || m.addr),
                    el("small", null, left.next().value),
                  ),
                ),
              ),
              el(
                "ol",
                { class: "lines small" },
                (r.log || [])
                  .slice(-20)
                  .reverse()
                  .map((l) =>
                    el(
                      "li",
                      { class: "notice" },
                      el("time", null, clock(l.ts)),
                      el("bdi", { class: "t" }, l.url),
                      el("span", { class: "x" }, l.what === "join" ? tr("came") : tr("went")),
                    ),
                  ),
              ),
            ),
          )
        : el(
            "p",
            { class: "dim" },
            tr("Nobody is in a room. A room is a path: {0}; what one says there, the others hear.", this.page.socket("relay/NAME").split("?")[0]),
          ),
    );
  }

  paint() {
    const s = this.page.topics.all.get("$sys/stats")?.data,
      hub = this.page.link.hub;
    if (!s || this.stats === s) return;
    this.stats = s;
    const pair = (n, v) => el("div", null, el("dt", null, tr(n)), el("dd", null, v));
    fill(
      this.about,
      pair("Name", hub?.hub || "–"),
      pair("Version", hub?.version || "–"),
      pair("Up for", span(s.uptime)),
      pair("Topics", String(s.topics)),
      pair("Connections", String(s.sessions)),
      pair("Readings taken", String(s.published)),
      pair("Delivered", String(s.delivered)),
    );
    const bad = Object.entries(s).filter(([k, v]) => v > 0 && /^(drop|refused|cut)_/.test(k));
    fill(
      this.losses,
      bad.length ? bad.map(([k, v]) => pair(k.replaceAll("_", " "), String(v))) : pair("Nothing lost, nothing refused", ""),
    );
  }
}

// What a list says beside how old things are, which changes all the time.
const ageless = (list) => JSON.stringify(list, (k, v) => (k === "since" ? undefined : v));
