// Who is looking, and what the hub lets them do.

import { tr } from "./lang.js";
import { api } from "./api.js";
import { button, el, fill } from "./dom.js";
import { setToken, token } from "./layout.js";

export class Me {
  admin = false;
  data = null;

  constructor(page) {
    this.page = page;
  }

  /** begin takes a token that a link brought (#token=…) and asks who we are. */
  async begin() {
    const brought = /^#(?:.*[&?])?token=([^&]+)/.exec(location.hash);
    if (brought) {
      history.replaceState(null, "", location.pathname + "#topics");
      let text = brought[1];
      try {
        text = decodeURIComponent(text);
      } catch {
        /* as it stands */
      }
      const why = await this.#try(text, true);
      if (why) this.page.say(tr("The link's token is of no use: {0}", why), true);
    }
    if (!this.data) await this.ask();
  }

  // A token is tried before it is kept: one that is wrong takes nothing away.
  async #try(text, forGood) {
    try {
      const data = await api("GET", "api/me", undefined, text);
      setToken(text, forGood);
      this.#take(data);
      return "";
    } catch (e) {
      if (e.code === 401) return tr("The hub does not know that token. Look for a missing letter at its end.");
      if (e.code === 404) return (setToken(text, forGood), "");
      return refusal(e);
    }
  }

  #take(data) {
    this.data = data;
    this.admin = Boolean(data.admin);
    this.refused = false;
  }

  /** ask asks who we are; it resolves to whether that is another than before. */
  async ask() {
    const before = JSON.stringify([this.data, this.admin]);
    try {
      this.#take(await api("GET", "api/me"));
    } catch (e) {
      if (e.code === 404) {
        this.data = null; // no access control
        this.admin = true;
        this.refused = false;
      } else if (e.code === 401 || e.code === 403) {
        this.data = null;
        this.admin = false;
        this.refused = true;
      } // else nobody knows: it stays as it was
    }
    return before !== JSON.stringify([this.data, this.admin]);
  }

  /** address is this page's address, as another device reaches it where the hub knows. */
  address() {
    const here = location.origin + location.pathname;
    return /^(localhost|127\.|\[::1\])/.test(location.hostname) ? this.data?.page || here : here;
  }

  /** wall is the form for a token, where something is closed without. */
  wall(what) {
    const input = el("input", {
      type: "password",
      autocomplete: "current-password",
      "aria-label": tr("Token"),
      placeholder: tr("Token"),
      required: true,
    });
    const keep = el("input", { type: "checkbox", checked: true }),
      out = el("p", { class: "outcome bad", role: "alert" }),
      go = el("button", { class: "button primary" }, tr("Unlock"));
    return el(
      "form",
      {
        class: "wall",
        onsubmit: async (e) => {
          e.preventDefault();
          if (go.disabled) return;
          go.disabled = true;
          out.textContent = "";
          out.textContent = await this.enter(input.value, keep.checked);
          go.disabled = false;
          if (out.textContent) input.select();
        },
      },
      el("input", { type: "text", name: "username", autocomplete: "username", value: "topicd", hidden: true }),
      el("p", null, tr("A token is needed {0}.", what)),
      el("div", { class: "bar" }, input, go),
      out,
      el("label", { class: "check" }, keep, tr("Remember on this device")),
    );
  }

  /** enter tries a token and keeps it when the hub knows it. It resolves to what is wrong with it. */
  async enter(text, forGood) {
    const why = await this.#try(text.trim(), forGood);
    if (!why) this.#begin();
    return why;
  }

  /** changed is for another token, or none. */
  async changed() {
    await this.ask();
    this.#begin();
  }

  #begin() {
    this.page.link.reopen();
    this.rights();
  }

  /** rights has everything that hangs on them made anew. */
  rights() {
    this.page.pace();
    for (const v of Object.values(this.page.views)) v.access?.();
  }

  leave() {
    setToken("");
    location.reload();
  }

  /** line tells who one is, for the hub's page. */
  line() {
    const d = this.data,
      box = el("div", { class: "who-am-i" });
    const forget = token() ? button(tr("Forget my token"), () => this.leave(), { text: true }) : null;
    if (!d)
      return fill(
        box,
        this.refused ? this.wall(tr("to see what is here")) : el("p", { class: "dim" }, this.admin ? tr("This hub lets everybody do everything.") : "–"),
        forget,
      );
    if (d.admin) return fill(box, el("p", null, d.name ? tr("You are the admin ({0}).", d.name) : tr("You are the admin.")), forget);
    return fill(
      box,
      el(
        "p",
        null,
        d.name
          ? tr("You may read {0} and publish to {1} as {2}.", words(d.subscribe), words(d.publish), d.name)
          : tr("You may read {0} and publish to {1}.", words(d.subscribe), words(d.publish)),
      ),
      this.wall(
        tr("for the rest: listeners, rooms, tokens, cutting clients. The admin's is in the hub's state directory, admin-token"),
      ),
      forget,
    );
  }
}

function words(patterns) {
  const list = (patterns || []).filter((p) => p[0] !== "$");
  return list.length === 0
    ? tr("nothing")
    : list.includes("#")
      ? tr("everything")
      : list.slice(0, 4).join(", ") + (list.length > 4 ? " …" : "");
}

/** refusal is an error as a sentence. */
export function refusal(e) {
  const text = e?.msg || String(e);
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}
