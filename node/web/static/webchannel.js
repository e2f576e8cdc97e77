// The chat's user list: the hub's QWebChannel object chatserver, which Qt's own
// chat clients use too. Only what a chat needs of that protocol.

const again = 3000; // ms until a lost socket is tried anew

/** ChatServer keeps somebody logged in, while on.may() lets it connect. on.users(list), on.refused(name). */
export class ChatServer {
  #ws = null;
  #id = 0;
  #calls = new Map();
  #object = null;
  #wanted = ""; // who we want to be
  #timer = 0;
  user = ""; // who we are

  constructor(url, on) {
    this.url = url;
    this.on = on;
  }

  open() {
    clearTimeout(this.#timer);
    if (this.#ws) return;
    if (!this.on.may()) {
      this.#timer = setTimeout(() => this.open(), again);
      return;
    }
    const ws = (this.#ws = new WebSocket(this.url()));
    ws.onopen = () => this.#call({ type: 3 }).then((objects) => this.#init(objects?.chatserver));
    ws.onmessage = (e) => {
      let m;
      try {
        m = JSON.parse(e.data);
      } catch {
        return;
      }
      this.#take(m);
    };
    ws.onclose = () => {
      this.#ws = this.#object = null;
      this.user = "";
      for (const done of this.#calls.values()) done(); // who waits is not answered any more
      this.#calls.clear();
      this.on.users(null);
      this.#timer = setTimeout(() => this.open(), again);
    };
  }

  #send(m) {
    if (this.#ws?.readyState === WebSocket.OPEN) this.#ws.send(JSON.stringify(m));
  }

  #call(m) {
    return new Promise((done) => {
      m.id = this.#id++;
      this.#calls.set(m.id, done);
      this.#send(m);
    });
  }

  #init(o) {
    if (!o) return;
    const number = (list, name) => (list.find((x) => x[0] === name) || [])[1];
    const users = o.properties.find((p) => p[1] === "userList");
    this.#object = { users: users[0], keepAlive: number(o.signals, "keepAlive") };
    this.#send({ type: 7, object: "chatserver", signal: this.#object.keepAlive });
    this.#send({ type: 4 });
    this.on.users(users[3]);
    if (this.#wanted) this.login(this.#wanted);
  }

  #take(m) {
    if (m.type === 10) {
      this.#calls.get(m.id)?.(m.data);
      this.#calls.delete(m.id);
    } else if (m.type === 2) {
      for (const u of m.data || [])
        if (u.object === "chatserver" && this.#object && u.properties?.[this.#object.users])
          this.on.users(u.properties[this.#object.users]);
      this.#send({ type: 4 });
    } else if (m.type === 1 && m.signal === this.#object?.keepAlive && this.user) {
      this.#call(this.#method("keepAliveResponse", [this.user]));
    }
  }

  #method(method, args) {
    return { type: 6, object: "chatserver", method, args };
  }

  /** login resolves to whether we are now there under that name. */
  async login(name) {
    this.#wanted = name;
    if (!this.#object || this.user === name) return this.user === name;
    if (this.user) await this.#call(this.#method("logout", [this.user]));
    this.user = "";
    if (!name) return false;
    const good = (await this.#call(this.#method("login", [name]))) === true;
    if (good) this.user = name;
    else ((this.#wanted = ""), this.on.refused(name));
    return good;
  }

  /** say sends as who we are; false: we are nobody there. */
  async say(text) {
    return this.user !== "" && (await this.#call(this.#method("sendMessage", [this.user, text]))) === true;
  }
}
