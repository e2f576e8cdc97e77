// The one WebSocket: requests with answers, subscriptions that outlive it.

import { Clock } from "./clock.js";
import { parse, write } from "./json.js";
import { tr } from "./lang.js";

const first = 500,
  longest = 15000, // milliseconds of back-off
  rarely = 300000; // so too, where the hub refused us
const pace = 250; // ms between what comes while much comes: as often as the page is painted

/**
 * Link keeps a connection to the hub. What is wanted (want) is asked for again
 * after each reconnect; exact names go on behind the last number that came. A
 * subscription to an exact name would make the topic, and looking is no reason
 * to: it is asked for when the topic is known to be there.
 */
export class Link {
  #ws = null;
  #url;
  #name;
  #id = 0;
  #pending = new Map(); // id → {resolve, reject, rows}
  #wants = new Map(); // pattern → [{owner, opts, on}], the newest rules
  #tries = 0;
  #timer = 0;
  #heard = 0;
  #poke = 0;
  #ep = 0; // the hub's epoch
  #here = new Set(); // topics that this connection has told of
  #asked = 0; // when the hub's time was
  #began = 0; // when the newest socket was opened
  state = "connecting"; // connecting, live, waiting, refused
  lost = 0; // when the connection went, 0 = it is there
  retryAt = 0; // both by performance.now()
  hub = null; // the welcome's data
  why = "";

  /** on.state(), on.reading(m), on.epoch(), on.failed(opened), on.stepped(ms), on.slept(ms) are the page's. */
  constructor(url, name, on) {
    this.#url = url;
    this.#name = name;
    this.on = on;
    this.clock = new Clock({ doubt: () => this.#time(2000), stepped: on.stepped, slept: on.slept });
  }

  open() {
    clearTimeout(this.#timer);
    this.#began = performance.now();
    this.#set(this.lost || this.#tries ? "waiting" : "connecting");
    let ws,
      opened = false;
    try {
      ws = new WebSocket(this.#url(), "topicd.v1.json");
    } catch (e) {
      return this.#again(String(e));
    }
    this.#ws = ws;
    // A host that does not answer at all would keep us for minutes, and one that lost
    // its power before it said anything for good.
    const patience = setTimeout(() => ws.close(), 8000);
    ws.onmessage = (e) => {
      clearTimeout(patience);
      if (ws !== this.#ws || typeof e.data !== "string") return;
      this.#heard = performance.now();
      let m;
      try {
        m = parse(e.data);
      } catch {
        return;
      }
      if (Array.isArray(m)) for (const one of m) this.#take(one);
      else this.#take(m);
    };
    ws.onopen = () => (opened = true);
    ws.onclose = (e) => {
      clearTimeout(patience);
      if (ws === this.#ws) this.#down(e, opened);
    };
  }

  /** reopen is for a new token, and for those who do not want to wait. */
  reopen() {
    const ws = this.#ws;
    this.#ws = null;
    this.#tries = 0;
    if (ws) {
      ws.close();
      this.#drop("the connection was opened anew");
    }
    this.open();
  }

  /**
   * wake is for when the network or the screen is back: who waits tries now, and a
   * connection that may have died meanwhile has a moment to show that it did not.
   */
  wake() {
    const now = performance.now();
    if (this.state === "refused" || !this.#began || now - this.#began < 1000) return;
    if (this.state !== "live") return this.reopen();
    const heard = this.#heard,
      ws = this.#ws;
    this.request({ op: "ping", ts: 0 }).catch(() => {});
    setTimeout(() => {
      if (ws === this.#ws && this.state === "live" && this.#heard === heard) this.reopen();
    }, 700);
  }

  /** later tries in so many ms, not before: the hub asked for that. */
  later(ms) {
    if (this.#ws || this.state !== "waiting") return;
    clearTimeout(this.#timer);
    this.retryAt = performance.now() + ms;
    this.#timer = setTimeout(() => this.open(), ms);
  }

  /**
   * hold stops trying: a token that is refused is not asked for again and again. Rarely
   * it is, for the tablet on a wall that nobody touches.
   */
  hold(why) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.reopen(), rarely);
    const ws = this.#ws;
    this.#ws = null;
    if (ws) (ws.close(), this.#drop(why));
    this.lost ||= performance.now();
    this.why = why;
    this.retryAt = 0;
    this.#set("refused");
  }

  #down(e, opened) {
    this.#ws = null;
    this.lost ||= performance.now();
    this.#drop("the connection was lost");
    this.#again(e.reason || this.why);
    this.on.failed(opened, e.reason || "");
  }

  #drop(why) {
    clearInterval(this.#poke);
    for (const p of this.#pending.values()) p.reject({ code: 0, msg: why });
    this.#pending.clear();
  }

  #again(why) {
    const wait = Math.min(longest, first * 2 ** this.#tries++) * (0.75 + Math.random() / 2);
    this.why = why;
    this.retryAt = performance.now() + wait;
    this.#timer = setTimeout(() => this.open(), wait);
    this.#set("waiting");
  }

  #set(state) {
    this.state = state;
    this.on.state(this);
  }

  #take(m) {
    switch (m.op) {
      case "msg":
        return this.#reading(m);
      case "ok":
      case "err":
      case "pong":
        return this.#answer(m);
      case "welcome":
        return this.#welcome(m);
      case "bye":
        this.why = m.err ? m.err.msg : "";
        return;
      case "ping":
        this.#send({ op: "pong", data: m.data });
        return;
      case "live": {
        const w = this.#wants.get(m.topic);
        if (!w) return;
        w.live = true;
        w.at(-1).on?.live?.(m);
      }
    }
  }

  // m.live: it came just now. Stored ones come before their subscription is live.
  #reading(m) {
    const w = this.#wants.get(m.topic);
    m.live = w?.asked ? w.live : this.#settled();
    if (m.live) this.clock.seen(m.ts);
    if (w?.asked && (m.live || m.seq > (w.seq || 0))) w.seq = m.seq;
    this.on.reading(m);
    this.here(m.topic);
  }

  #settled() {
    for (const w of this.#wants.values()) if (w.asked && !w.live) return false;
    return true;
  }

  /** here tells that a topic exists: who wants it by its name gets it now. */
  here(topic) {
    if (this.#here.has(topic)) return;
    this.#here.add(topic);
    const w = this.#wants.get(topic);
    if (w && !w.asked) this.#ask(topic);
  }

  /** gone tells that one does not any more. */
  gone(topic) {
    this.#here.delete(topic);
  }

  // The hub's time, asked for at most every so many ms.
  #time(every) {
    const at = performance.now();
    if (at - this.#asked < every) return;
    this.#asked = at;
    this.request({ op: "ping", ts: 0 }).then(
      (m) => this.clock.told(m.ts, performance.now() - at),
      () => {},
    );
  }

  #welcome(m) {
    if (this.hub && this.state === "live") return; // the answer to our hello
    this.hub = m.data;
    this.clock.told(m.data.now);
    this.#tries = 0;
    this.why = "";
    this.#here.clear();
    const restarted = this.#ep !== 0 && this.#ep !== m.ep;
    this.#ep = m.ep;
    if (restarted) {
      for (const w of this.#wants.values()) w.seq = 0;
      this.on.epoch();
    }
    this.#send({ op: "hello", opts: { name: this.#name, pace } });
    for (const [pattern, w] of this.#wants) {
      w.asked = w.live = false;
      this.#ask(pattern);
    }
    this.#heard = performance.now();
    this.#poke = setInterval(() => this.#watch(), 5000);
    this.#set("live");
    this.lost = 0;
  }

  // A phone that changed its network hears nothing and is told nothing.
  #watch() {
    const quiet = performance.now() - this.#heard;
    if (quiet > 20000) (this.#ws?.close(4000), this.#down({ reason: "the hub was not heard for 20 s" }));
    else this.#time(4000);
  }

  #answer(m) {
    const p = this.#pending.get(m.id);
    if (!p) return;
    if (m.op === "err") {
      this.#pending.delete(m.id);
      p.reject(m.err);
    } else if (m.opts?.more) {
      p.rows.push(...m.data);
    } else {
      this.#pending.delete(m.id);
      if (p.rows.length && Array.isArray(m.data)) m.data = p.rows.concat(m.data);
      p.resolve(m);
    }
  }

  #send(m) {
    if (this.#ws?.readyState === WebSocket.OPEN) this.#ws.send(write(m));
  }

  /** request sends and resolves to the answer, whole; a refusal is {code, msg}. */
  request(m) {
    return new Promise((resolve, reject) => {
      if (this.#ws?.readyState !== WebSocket.OPEN) return reject({ code: 0, msg: tr("the hub is not connected") });
      m.id = ++this.#id;
      this.#pending.set(m.id, { resolve, reject, rows: [] });
      this.#send(m);
    });
  }

  /**
   * want subscribes for an owner until drop. Two owners of one pattern share
   * it: the last one's options hold. on: {live(m), refused(err)}.
   */
  want(pattern, owner, opts, on) {
    const list = this.#wants.get(pattern) || [];
    const at = list.findIndex((w) => w.owner === owner);
    const known = at >= 0; // other options only: nothing is said twice
    if (known) list.splice(at, 1);
    list.push({ owner, opts, on });
    if (opts.since !== undefined) list.seq = 0;
    this.#wants.set(pattern, list);
    if (this.state === "live") this.#ask(pattern, known);
  }

  drop(pattern, owner) {
    const list = this.#wants.get(pattern);
    const at = list ? list.findIndex((w) => w.owner === owner) : -1;
    if (at < 0) return;
    list.splice(at, 1);
    if (list.length === 0) {
      this.#wants.delete(pattern);
      if (list.asked && this.state === "live") this.request({ op: "unsub", topic: pattern }).catch(() => {});
    } else if (at === list.length && this.state === "live") {
      this.#ask(pattern, true);
    }
  }

  #ask(pattern, known) {
    const list = this.#wants.get(pattern),
      { opts, on } = list.at(-1);
    if (!/[+#]/.test(pattern) && !this.#here.has(pattern)) return; // not there yet
    list.asked = true;
    list.live = false;
    const o = { ...opts };
    if (list.seq && list.ep && o.since !== undefined) {
      o.since = list.seq;
      o.ep = list.ep;
    }
    if (known && o.since === undefined) o.last = 0;
    this.request({ op: "sub", topic: pattern, opts: o }).then(
      (m) => {
        list.ep = m.ep;
        on?.ok?.(m);
      },
      (e) => {
        list.live = true; // nothing stored comes
        if (e.code) on?.refused?.(e);
      },
    );
  }
}
