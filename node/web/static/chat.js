// The chat: readings {user, text} of the topic chat.

import { tr } from "./lang.js";
import { el, fill } from "./dom.js";
import { write } from "./json.js";
import { clock, stamp } from "./reading.js";
import { keep, recall } from "./layout.js";
import { refusal } from "./me.js";
import { ChatServer } from "./webchannel.js";

const topic = "chat";

export class ChatView {
  id = "chat";
  title = tr("Chat");
  #seqs = []; // numbers of the lines, in order
  #newest = 0; // their latest time
  #old = 0; // lines from before the hub was restarted
  #seen = new Map(); // user → last time
  #online = null; // the list that the hub keeps, if it does
  #open = false;

  constructor(page) {
    this.page = page;
    this.lines = el("ol");
    this.talk = el("div", { class: "talk", tabindex: "0", role: "log", "aria-label": tr("Chat") }, this.lines);
    this.users = el("ul", { class: "users" });
    this.name = el("input", {
      "aria-label": tr("Your name"),
      maxlength: "64",
      value: recall("user", ""),
      placeholder: tr("Your name"),
      autocomplete: "nickname",
      onchange: () => this.#named(),
    });
    this.server = new ChatServer(() => page.socket("webchannel"), {
      may: () => page.link.state === "live", // what keeps that away keeps this away
      users: (list) => {
        this.#online = Array.isArray(list) ? list.map(String) : null;
        this.#people();
      },
      refused: (name) => page.say(tr("Somebody is called {0} already: take another name.", name), true),
    });
    this.text = el("input", { "aria-label": tr("Message"), maxlength: "4000", placeholder: tr("Message"), autocomplete: "off" });
    this.root = el(
      "div",
      { class: "view chat" },
      el("h1", { class: "hide" }, tr("Chat")),
      el(
        "div",
        { class: "room" },
        this.talk,
        el(
          "form",
          {
            class: "bar",
            onsubmit: (e) => {
              e.preventDefault();
              this.#send();
            },
          },
          this.name,
          this.text,
          el("button", { class: "button primary" }, tr("Send")),
        ),
      ),
      el("aside", { "aria-label": tr("Users") }, el("h2", null, tr("Users")), this.users),
    );
    this.#empty();
  }

  #empty() {
    fill(
      this.lines,
      el(
        "li",
        { class: "dim" },
        tr("Nothing was said yet. The chat is the topic {0}: QWebChannel chat clients, boards and this page share it.", topic),
      ),
    );
    this.blank = true;
  }

  show() {
    this.#open = true;
    this.page.link.want(topic, "chat", { last: 100 }, { refused: (e) => this.page.say(refusal(e), true) });
    this.server.open();
    this.server.login(this.name.value.trim());
    this.#people();
    this.talk.scrollTop = this.talk.scrollHeight;
  }

  #named() {
    keep("user", this.name.value.trim());
    this.server.login(this.name.value.trim());
  }

  hide() {
    this.#open = false;
    this.page.link.drop(topic, "chat");
  }

  restart() {
    this.#old += this.#seqs.length;
    this.#seqs = [];
  }

  take(m) {
    if (!this.#open || m.topic !== topic) return;
    if (m.ts > this.#newest && m.seq <= this.#seqs.at(-1)) this.restart(); // the topic went, and was made anew
    this.#newest = Math.max(this.#newest, m.ts);
    let at = this.#seqs.length; // what is live may come before what is stored
    while (at > 0 && this.#seqs[at - 1] > m.seq) at--;
    if (at > 0 && this.#seqs[at - 1] === m.seq) return;
    this.#seqs.splice(at, 0, m.seq);
    const d = m.data,
      user = typeof d?.user === "string" ? d.user : m.from || "?",
      text = typeof d?.text === "string" ? d.text : typeof d === "string" ? d : write(d);
    if (this.blank) (this.lines.replaceChildren(), (this.blank = false));
    const end = this.talk.scrollHeight - this.talk.scrollTop - this.talk.clientHeight < 60,
      mine = user === this.name.value.trim();
    const line = el(
      "li",
      { class: mine ? "mine" : "" },
      el("span", { class: "who" }, el("bdi", null, user), " ", el("time", { title: stamp(m.ts) }, clock(m.ts).slice(0, 5))),
      el("bdi", { class: "said" }, text),
    );
    this.lines.insertBefore(line, this.lines.children[this.#old + at] || null);
    while (this.lines.children.length > 500) {
      this.lines.firstChild.remove();
      if (this.#old) this.#old--;
      else this.#seqs.shift();
    }
    if (end || mine) this.talk.scrollTop = this.talk.scrollHeight;
    this.#seen.set(user, m.ts);
    this.#people();
  }

  #people() {
    if (!this.#open) return;
    const names = this.#online || [...this.#seen.keys()].sort((a, b) => a.localeCompare(b));
    fill(
      this.users,
      names.length
        ? names
            .slice(0, 200)
            .map((n) => el("li", null, el("i", { class: "dot " + (this.#online ? "live" : "quiet") }), el("bdi", null, n)))
        : el("li", { class: "dim" }, tr("Nobody yet")),
    );
  }

  async #send() {
    const user = this.name.value.trim() || this.page.name(),
      text = this.text.value.trim();
    if (!text) return;
    this.text.value = ""; // what is typed from here on is the next one
    this.text.focus();
    try {
      if (!(this.server.user === user && (await this.server.say(text))))
        await this.page.link.request({ op: "pub", topic, data: { user, text } });
    } catch (e) {
      this.text.value = (text + " " + this.text.value).trim();
      this.page.say(refusal(e), true);
    }
  }

  key(e) {
    if (e.key !== "/") return false;
    this.text.focus();
    return true;
  }
}
