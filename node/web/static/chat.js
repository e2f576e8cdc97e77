// The chat: readings {user, text} of the topic chat.

import { el, fill } from "./dom.js";
import { clock, stamp } from "./reading.js";
import { keep, recall } from "./layout.js";
import { refusal } from "./me.js";

const topic = "chat", usersTopic = "chat/users";

export class ChatView {
  id = "chat";
  title = "Chat";
  #last = 0;
  #seen = new Map(); // user → last time
  #online = null; // the list that the hub keeps, if it does
  #open = false;

  constructor(page) {
    this.page = page;
    this.lines = el("ol", { class: "talk", tabindex: "0", role: "log", "aria-label": "Chat" });
    this.users = el("ul", { class: "users" });
    this.name = el("input", { "aria-label": "Your name", maxlength: "64", value: recall("user", ""), placeholder: "Your name", autocomplete: "nickname", onchange: () => keep("user", this.name.value.trim()) });
    this.text = el("input", { "aria-label": "Message", maxlength: "4000", placeholder: "Message", autocomplete: "off" });
    this.root = el("div", { class: "view chat" }, el("h1", { class: "hide" }, "Chat"),
      el("div", { class: "room" }, this.lines, el("form", { class: "bar", onsubmit: (e) => { e.preventDefault(); this.#send(); } }, this.name, this.text, el("button", { class: "button primary" }, "Send"))),
      el("aside", { "aria-label": "Users" }, el("h2", null, "Users"), this.users));
    this.#empty();
  }

  #empty() {
    fill(this.lines, el("li", { class: "dim" }, "Nothing was said yet. The chat is the topic ", el("code", null, topic), ": QWebChannel chat clients, boards and this page share it."));
    this.blank = true;
  }

  show() {
    this.#open = true;
    this.page.link.want(topic, "chat", { last: 100 }, { refused: (e) => this.page.say(refusal(e), true) });
    this.#people();
    this.lines.scrollTop = this.lines.scrollHeight;
  }

  hide() {
    this.#open = false;
    this.page.link.drop(topic, "chat");
  }

  restart() { this.#last = 0; }

  take(m) {
    if (m.topic === usersTopic) {
      const list = Array.isArray(m.data) ? m.data : m.data?.users;
      if (Array.isArray(list)) this.#online = list.map(String), this.#people();
      return;
    }
    if (!this.#open || m.topic !== topic || m.seq <= this.#last) return;
    this.#last = m.seq;
    const d = m.data, user = typeof d?.user === "string" ? d.user : m.from || "?", text = typeof d?.text === "string" ? d.text : typeof d === "string" ? d : JSON.stringify(d);
    if (this.blank) this.lines.replaceChildren(), this.blank = false;
    const end = this.lines.scrollHeight - this.lines.scrollTop - this.lines.clientHeight < 60, mine = user === this.name.value.trim();
    this.lines.append(el("li", { class: mine ? "mine" : "" }, el("span", { class: "who" }, el("bdi", null, user), " ", el("time", { title: stamp(m.ts) }, clock(m.ts).slice(0, 5))), el("bdi", { class: "said" }, text)));
    while (this.lines.children.length > 500) this.lines.firstChild.remove();
    if (end || mine) this.lines.scrollTop = this.lines.scrollHeight;
    this.#seen.set(user, m.ts);
    this.#people();
  }

  #people() {
    if (!this.#open) return;
    const names = this.#online || [...this.#seen.keys()].sort((a, b) => a.localeCompare(b));
    fill(this.users, names.length ? names.slice(0, 200).map((n) => el("li", null, el("i", { class: "dot " + (this.#online ? "live" : "quiet") }), el("bdi", null, n))) : el("li", { class: "dim" }, "Nobody yet"));
  }

  async #send() {
    const user = this.name.value.trim() || this.page.name(), text = this.text.value.trim();
    if (!text) return;
    keep("user", this.name.value.trim());
    try {
      await this.page.link.request({ op: "pub", topic, data: { user, text } });
      this.text.value = "";
    } catch (e) {
      this.page.say(refusal(e), true);
    }
    this.text.focus();
  }

  key(e) {
    if (e.key !== "/") return false;
    this.text.focus();
    return true;
  }
}
