// Why there is no connection. A browser keeps what a server said to a WebSocket
// that it refused from the page, so the page asks over HTTP, and tells who can
// mend it what to type.

import { tr } from "./lang.js";
import { spurn } from "./api.js";
import { button, el, fill } from "./dom.js";
import { span } from "./reading.js";
import { setToken, token } from "./layout.js";
import { refusal } from "./me.js";

const patience = 6000; // ms for an answer

/** diagnose asks the hub why it did not take the socket, and resolves to {kind, title, text, type}. */
export async function diagnose() {
  const headers = token() ? { Authorization: "Bearer " + token() } : {};
  let r, v;
  try {
    r = await fetch("api/me?origin=" + encodeURIComponent(location.origin), {
      headers,
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(patience),
    });
  } catch {
    return gone;
  }
  try {
    v = await r.json();
  } catch {
    v = null;
  }
  return r.ok ? answered(v) : refused(r, v?.error);
}

const gone = {
  kind: "gone",
  title: tr("The hub is not reached."),
  text: tr("What you see is what was known; this page goes on by itself when the hub is back."),
};

// HTTP goes through, the socket does not.
function answered(me) {
  if (!me?.hub)
    return {
      kind: "other",
      title: tr("Something else answers at {0}.", location.host),
      text: tr("It is no hub: another server at that address, or the login page of a proxy or network in between. Load this page anew to see it."),
    };
  if (me.socket && !me.socket.ok)
    return {
      kind: "origin",
      title: tr("The hub does not take pages from {0}.", location.origin),
      text:
        tr("It was asked for as {0}, so to it this is another site's page. Readings can be seen when the hub is started with", me.socket.host),
      type: ["topicd serve --origin " + location.origin],
      after: location.protocol === "http:" ? tr("or when the proxy passes on the name it was asked for; in nginx:") : "",
      more: location.protocol === "http:" ? ["proxy_set_header Host $http_host;"] : [],
    };
  return {
    kind: "upgrade",
    title: tr("The hub answers, but no WebSocket gets through to it."),
    text: tr("A proxy in between does not pass on the Upgrade that a WebSocket begins with. In nginx, where the hub's proxy_pass is:"),
    type: ["proxy_http_version 1.1;", "proxy_set_header Upgrade $http_upgrade;", 'proxy_set_header Connection "upgrade";'],
  };
}

function refused(r, e) {
  if (r.status === 401 && e) spurn();
  if (r.status === 401 && e)
    return token()
      ? {
          kind: "token",
          hold: true,
          title: tr("The hub does not take this browser's token."),
          text: tr("It is wrong, has ended, or was withdrawn. The hub itself is there."),
        }
      : { kind: "none", title: tr("A token is needed."), text: tr("The hub lets nobody in without one."), hold: true };
  if (!e && [502, 503, 504].includes(r.status))
    return {
      kind: "behind",
      title: tr("The proxy at {0} answers, the hub behind it does not ({1}).", location.host, r.status),
      text: tr("Is the hub running, and is the proxy's address of it right? This page goes on by itself when the hub is back."),
    };
  if (e?.retry && r.status === 429)
    return { kind: "wait", title: refusal(e), text: tr("This page asks again in {0}.", span(Math.ceil(e.retry / 1000))), wait: e.retry };
  if (e) return { kind: "said", title: tr("The hub refuses this page ({0}).", e.code), text: refusal(e) };
  return {
    kind: "other",
    title: tr("{0} answers {1} instead of the hub.", location.host, (r.status + " " + r.statusText).trim()),
    text: tr("A proxy in between, or another server at that address. This page goes on by itself when the hub is back."),
  };
}

/** Outage is the notice above the views. */
export class Outage {
  #asking = false;
  #unopened = 0; // attempts in a row that never were a WebSocket
  #shown = "";
  now = null;

  constructor(page, box) {
    this.page = page;
    this.box = box;
  }

  /** failed is told of each attempt that ended, whether it ever was a WebSocket, and what the hub said. */
  async failed(opened, said) {
    this.#unopened = opened ? 0 : this.#unopened + 1;
    if (opened && said) return this.show({ kind: "said", title: tr("The hub ended the connection."), text: refusal(said) });
    if (this.#asking) return;
    this.#asking = true;
    const d = await diagnose();
    this.#asking = false;
    if (this.page.link.state === "live") return;
    // A hub that comes up between the two answers is no proxy.
    if (d.kind === "upgrade" && this.#unopened < 2) return;
    this.show(d);
  }

  show(d) {
    this.now = d;
    if (d.hold) this.page.link.hold(d.title);
    if (d.wait) this.page.link.later(d.wait);
    const key = JSON.stringify(d);
    if (this.#shown === key) return;
    this.#shown = key;
    const lines = (list) => (list?.length ? el("pre", { tabindex: "0" }, list.join("\n")) : null);
    fill(
      this.box,
      el("div", null, el("strong", null, d.title), " ", d.text),
      lines(d.type),
      d.after ? el("div", null, d.after) : null,
      lines(d.more),
      d.kind === "token" ? this.#token() : d.kind === "none" ? this.page.me.wall(tr("to come in")) : null,
    );
    this.page.changed();
  }

  clear() {
    this.#unopened = 0;
    this.now = null;
    if (!this.#shown) return;
    this.#shown = "";
    fill(this.box);
  }

  #token() {
    const other = el("div", { hidden: true });
    return el(
      "div",
      null,
      el(
        "div",
        { class: "bar wrap" },
        button(tr("Go on without it"), () => {
          setToken("");
          this.page.me.changed();
        }),
        button(tr("Enter another"), () => {
          other.hidden = false;
          fill(other, this.page.me.wall(tr("to come in")));
          other.querySelector("[type=password]").focus();
        }),
        button(tr("Try again"), () => this.page.link.reopen()),
      ),
      other,
    );
  }
}
