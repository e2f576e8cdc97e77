// Tokens, and the window in which devices may join without one.

import { language, tr } from "./lang.js";
import { api } from "./api.js";
import { button, el, fill, heads, put } from "./dom.js";
import { field } from "./actions.js";
import { refusal } from "./me.js";
import { span } from "./reading.js";

const lives = [
  [0, tr("never")],
  [1, "in a day"],
  [7, "in a week"],
  [90, "in 90 days"],
  [365, "in a year"],
];

export class Invite {
  constructor(page) {
    this.page = page;
    this.join = el("div");
    this.left = document.createTextNode("");
    this.list = el("tbody");
    this.fresh = el("div", { role: "status" });
    this.name = el("input", { required: true, maxlength: "64", placeholder: tr("kitchen tablet"), autocomplete: "off" });
    this.publish = el("input", { placeholder: tr("nothing"), spellcheck: "false", autocomplete: "off" });
    this.subscribe = el("input", { placeholder: tr("everything: #"), spellcheck: "false", autocomplete: "off" });
    this.expires = el(
      "select",
      null,
      lives.map(([days, text]) => el("option", { value: String(days) }, tr(text))),
    );
    this.root = el(
      "div",
      null,
      this.join,
      this.fresh,
      el("table", { class: "list tokens" }, heads("Token", "Publishes", "Subscribes", "Ends", "-Withdraw"), this.list),
      el(
        "form",
        { class: "stack", onsubmit: (e) => this.#make(e) },
        field(tr("New token for"), this.name),
        el("div", { class: "pair" }, field(tr("May publish to"), this.publish), field(tr("May subscribe to"), this.subscribe)),
        el("div", { class: "bar wrap" }, field(tr("It ends"), this.expires), el("button", { class: "button primary" }, tr("Make a token"))),
      ),
    );
  }

  async load() {
    const [tokens, join] = await Promise.all([
      api("GET", "api/tokens"),
      api("GET", "api/join").catch((e) => {
        if (e.code === 404) return {};
        throw e;
      }),
    ]);
    const list = tokens.tokens || tokens || [];
    const mode = this.page.me.data?.access,
      key = JSON.stringify([list, join.open, mode]);
    put(this.left, join.open ? tr("Devices may join for another {0}.", span(join.seconds)) : tr("Devices need a token to come in."));
    if (key === this.was) return;
    this.was = key;
    const patterns = (p) => (p?.length ? p.join(" ") : "–");
    fill(
      this.list,
      list.map((t) =>
        el(
          "tr",
          null,
          el("th", { scope: "row" }, el("bdi", null, t.name || t.id), t.admin ? el("small", null, "admin") : null),
          el("td", { "data-label": tr("Publishes") }, el("bdi", null, patterns(t.publish))),
          el("td", { "data-label": tr("Subscribes") }, el("bdi", null, patterns(t.subscribe))),
          el("td", { "data-label": tr("Ends") }, t.expires ? new Date(t.expires).toLocaleDateString(language) : tr("never")),
          el(
            "td",
            null,
            button(tr("Withdraw {0}", t.name || t.id), () => this.#withdraw(t), {
              icon: "trash",
              kind: "danger",
            }),
          ),
        ),
      ),
    );
    fill(
      this.join,
      mode === "join"
        ? el(
            "div",
            { class: "bar wrap" },
            el("span", null, this.left),
            join.open
              ? button(tr("Close the window"), () => this.#do(() => api("DELETE", "api/join")))
              : button(tr("Let devices join for 5 minutes"), () => this.#do(() => api("POST", "api/join", { seconds: 300 }))),
          )
        : el(
            "p",
            { class: "dim" },
            mode === "lan"
              ? tr("Whoever is on the local network may read and publish (--access lan). A token is for who comes from elsewhere, and for the admin.")
              : tr("Everybody needs a token (--access token)."),
          ),
    );
  }

  #withdraw(t) {
    this.page.actions.confirm(
      tr("Withdraw {0}?", t.name || t.id),
      tr("Who uses this token is cut, and does not come in with it again."),
      tr("Withdraw"),
      () => this.#do(() => api("DELETE", "api/tokens/" + encodeURIComponent(t.id))),
    );
  }

  async #make(e) {
    e.preventDefault();
    await this.#do(async () => {
      const split = (s) =>
        s
          .trim()
          .split(/[\s,]+/)
          .filter(Boolean);
      const t = await api("POST", "api/tokens", {
        name: this.name.value.trim(),
        publish: split(this.publish.value),
        subscribe: split(this.subscribe.value || "#"),
        ...(this.expires.value !== "0" ? { expires: Math.round(this.page.link.clock.now()) + this.expires.value * 86400000 } : {}),
      });
      const link = this.page.me.address() + "#token=" + t.token;
      fill(
        this.fresh,
        el(
          "div",
          { class: "fresh" },
          el("p", null, tr("This is shown once:")),
          el("code", { class: "code" }, t.token),
          el(
            "div",
            { class: "qr" },
            el("img", {
              alt: tr("QR code that opens this page with the token"),
              width: "180",
              height: "180",
              src: "api/qr.svg?text=" + encodeURIComponent(link),
            }),
          ),
          button(tr("Hide it"), () => fill(this.fresh)),
        ),
      );
      this.name.value = "";
    });
  }

  async #do(what) {
    if (this.busy) return; // a double click is one
    this.busy = true;
    try {
      await what();
      await this.load();
    } catch (e) {
      this.page.say(refusal(e), true);
    }
    this.busy = false;
  }
}
