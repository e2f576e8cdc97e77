// Who is looking, and what the hub lets them do.

import { api } from "./api.js";
import { button, el, fill } from "./dom.js";
import { setToken, token } from "./layout.js";

export class Me {
  admin = true; // a hub without access control lets everybody
  data = null;

  constructor(page) {
    this.page = page;
  }

  /** begin takes a token that a link brought (#token=…) and asks who we are. */
  async begin() {
    const brought = /^#(?:.*[&?])?token=([^&]+)/.exec(location.hash);
    if (brought) {
      setToken(decodeURIComponent(brought[1]), true);
      history.replaceState(null, "", location.pathname + "#topics");
    }
    await this.ask();
  }

  async ask() {
    try {
      this.data = await api("GET", "api/me");
      this.admin = Boolean(this.data.admin);
      this.refused = false;
    } catch (e) {
      this.data = null;
      this.refused = e.code === 401 || e.code === 403;
      this.admin = !this.refused;
    }
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
      "aria-label": "Token",
      placeholder: "Token",
      required: true,
    });
    const keep = el("input", { type: "checkbox", checked: true });
    return el(
      "form",
      {
        class: "wall",
        onsubmit: (e) => {
          e.preventDefault();
          this.enter(input.value, keep.checked);
        },
      },
      el("input", { type: "text", name: "username", autocomplete: "username", value: "topicd", hidden: true }),
      el("p", null, "A token is needed " + what + "."),
      el("div", { class: "bar" }, input, el("button", { class: "button primary" }, "Unlock")),
      el("label", { class: "check" }, keep, "Remember on this device"),
    );
  }

  async enter(text, forGood) {
    setToken(text.trim(), forGood);
    await this.ask();
    if (this.refused) this.page.say("The hub does not know that token.", true);
    this.page.link.reopen();
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
    const forget = token() ? button("Forget my token", () => this.leave(), { text: true }) : null;
    if (!d)
      return fill(
        box,
        this.refused ? this.wall("to see what is here") : el("p", { class: "dim" }, "This hub lets everybody do everything."),
        forget,
      );
    if (d.admin) return fill(box, el("p", null, "You are the admin", d.name ? " (" + d.name + ")" : "", "."), forget);
    return fill(
      box,
      el("p", null, "You may read ", words(d.subscribe), " and publish to ", words(d.publish), d.name ? " as " + d.name : "", "."),
      this.wall(
        "for the rest: listeners, rooms, tokens, cutting clients. The admin's is in the hub's state directory, admin-token",
      ),
      forget,
    );
  }
}

function words(patterns) {
  const list = (patterns || []).filter((p) => p[0] !== "$");
  return list.length === 0
    ? "nothing"
    : list.includes("#")
      ? "everything"
      : list.slice(0, 4).join(", ") + (list.length > 4 ? " …" : "");
}

/** refusal is an error as a sentence. */
export function refusal(e) {
  const text = e?.msg || String(e);
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}
