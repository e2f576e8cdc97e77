// Who is looking, and what the hub lets them do.

import { api } from "./api.js";
import { button, el, fill } from "./dom.js";
import { setToken, token } from "./layout.js";

export class Me {
  admin = true; // a hub without access control lets everybody
  data = null;

  constructor(page) { this.page = page; }

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

  /** wall is what stands in the place of what only an admin may see. */
  wall(what, err) {
    const input = el("input", { type: "password", autocomplete: "current-password", "aria-label": "Token", placeholder: "Token", required: true });
    const keep = el("input", { type: "checkbox", checked: true });
    const form = el("form", { class: "wall", onsubmit: (e) => { e.preventDefault(); this.enter(input.value, keep.checked); } },
      el("p", null, err && err.code === 404 ? "This hub does not offer " + what + "." : err?.code === 401 ? "A token is needed for " + what + ": one that was made for you, or the admin's." : "Your token does not allow " + what + ". The admin's does."),
      err && err.code === 404 ? null : [el("div", { class: "bar" }, input, el("button", { class: "button primary" }, "Unlock")), el("label", { class: "check" }, keep, "Remember on this device")]);
    return form;
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
    const d = this.data, box = el("p", null);
    if (!d) return fill(box, token() ? "With a token that this hub does not know. " : "Nobody in particular. ", token() && button("Forget it", () => this.leave()));
    return fill(box, d.admin ? "You may do everything here" : "You may read and publish what your token allows", d.name ? " as " + d.name : "", ". ", token() && button("Forget my token", () => this.leave()));
  }
}

/** refusal is an error as a sentence. */
export function refusal(e) {
  const text = e?.msg || String(e);
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}
