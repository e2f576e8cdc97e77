// npm's qtc, as it is, and npm's ws against the Managed WebSocket:
// node mws.js http://HOST:PORT SECRET [open|closed]. Prints "done".
// open: whoever asks may read and write; closed: only who has the secret.
"use strict";
const assert = require("assert");
const { Mws } = require("qtc");
const WebSocket = require("ws");

const [address, secret, mode] = process.argv.slice(2);
const open = mode === "open";
const kinds = { // as people make them
  plain: new Mws({ address }),
  gateway: new Mws({ address, gatewayId: "GW1" }),
  admin: new Mws({ address, secret }),
  both: new Mws({ address, gatewayId: "GW1", secret }),
  wrong: new Mws({ address, secret: "wrong" }),
};

// ask calls a method and gives [err, body].
const ask = (who, method, ...args) => new Promise((done) => kinds[who][method](...args, (err, body) => done([err, body])));

async function good(who, method, ...args) {
  const [err, body] = await ask(who, method, ...args);
  assert.strictEqual(err, null, `${who}.${method}: ${err} ${JSON.stringify(body)}`);
  return body;
}

async function bad(status, error, who, method, ...args) {
  const [err, body] = await ask(who, method, ...args);
  assert.strictEqual(err, status, `${who}.${method}: ${err} ${JSON.stringify(body)}`);
  assert.deepStrictEqual(body, error);
}

// listen connects to a socket's URI and keeps what it hears.
function listen(uri) {
  const ws = new WebSocket(uri);
  const s = { ws, heard: [], closed: new Promise((done) => ws.on("close", (code) => done(code))) };
  ws.on("message", (data, binary) => {
    assert.strictEqual(binary, false);
    s.heard.push(data.toString());
  });
  return new Promise((done, fail) => { ws.on("open", () => done(s)); ws.on("error", fail); });
}

async function until(what, ok) {
  for (let i = 0; i < 12000; i++) {
    if (await ok()) return;
    await new Promise((done) => setTimeout(done, 5));
  }
  throw new Error("never came true: " + what);
}

async function readers() {
  for (const who of open ? ["plain", "gateway", "admin", "both", "wrong"] : ["admin", "both"]) {
    const asked = Date.now(), a = await good(who, "getSocketAddress"), answered = Date.now();
    assert.deepStrictEqual(Object.keys(a), ["expiresAt", "uri", "tags"]);
    assert.match(a.expiresAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const made = Date.parse(a.expiresAt) - 300e3; // whole seconds
    assert(made > asked - 5e3 && made < answered + 5e3, a.expiresAt);
    const s = await listen(a.uri);
    const again = await listen(a.uri); // once only, but the handshake succeeds
    assert.strictEqual(await again.closed, 1000);
    s.ws.close();
  }
  if (!open) {
    await bad(401, { error: "Authorization header is required" }, "plain", "getSocketAddress");
    await bad(401, { error: "Access denied" }, "wrong", "getSocketAddress");
    await bad(401, { error: "Authorization header is required" }, "gateway", "send", "x", { sockets: ["*"] });
  }
}

async function sockets() {
  const tags = async (...args) => {
    const s = await good(args.length % 2 ? "admin" : "both", "createSocket", ...args);
    assert.match(s.id, /^[0-9a-f]{64}$/);
    assert(s.uri.endsWith("/?token=" + s.id), s.uri);
    return s.tags;
  };
  assert.deepStrictEqual(await tags(), ["users.admin"]);
  assert.deepStrictEqual(await tags(null), ["users.admin"]);
  assert.deepStrictEqual(await tags("one"), ["one", "users.admin"]);
  assert.deepStrictEqual(await tags(7), ["7", "users.admin"]);
  assert.deepStrictEqual(await tags(["a", 8]), ["a", "8", "users.admin"]);
  assert.deepStrictEqual(await tags({ a: 1 }), ['{"a":1}', "users.admin"]);
  await bad(422, { tags: "Tags[0] isn't a string" }, "admin", "createSocket", [{}]);
  await bad(401, { error: "Access denied" }, "wrong", "createSocket", "x");
  await bad(401, { error: "Access denied" }, "wrong", "getSockets");
  await bad(404, {}, "admin", "getSocketInfo", "nothing");
  const c = await good("admin", "getConfiguration");
  assert.deepStrictEqual(c.permissions, { read: ["*"], write: ["*"] });
  const [status, body] = await ask("admin", "setConfiguration", { name: "n", permissions: {} });
  assert.strictEqual(status, 405);
  assert.strictEqual(typeof body.error, "string");
  await bad(404, { error: "Not found" }, "admin", "rest", "GET", "/nothing");
}

async function native() {
  const ws = new WebSocket(address.replace("http", "ws") + "/ws", ["topicd.v1.json"]);
  const heard = [];
  await new Promise((done) => ws.on("message", (data) => {
    const m = JSON.parse(data);
    if (m.op === "welcome") ws.send('{"op":"sub","id":1,"topic":"mws/tag/#","opts":{"last":0}}');
    if (m.op === "ok") done();
    if (m.op === "msg") heard.push([m.topic, m.data, m.from]);
  }));
  return { ws, heard, say: (topic, data) => ws.send(JSON.stringify({ op: "pub", topic, data })) };
}

async function messages() {
  const sender = open ? "gateway" : "admin";
  const a = await good("admin", "createSocket", ["red", "round"]);
  const b = await good("both", "createSocket", "red");
  const sa = await listen(a.uri), sb = await listen(b.uri);
  const hub = await native();
  let ids;
  await until("both sockets are listed", async () => {
    ids = (await good("admin", "getSockets")).results.map((s) => s.id);
    return ids.includes(a.id) && ids.includes(b.id);
  });
  const info = await good("both", "getSocketInfo", a.id);
  assert.deepStrictEqual([info.id, info.tags], [a.id, ["red", "round", "users.admin"]]);
  assert(Math.abs(Date.parse(info.connectedAt) - Date.now()) < 60e3 && info.createdAt === info.connectedAt);

  const echo = await good(sender, "send", "Hello", { sockets: ["*"] });
  assert.deepStrictEqual(echo, { data: "Hello", receivers: { sockets: ["*"], tags: null } });
  await good(sender, "send", "to b", { sockets: [b.id] });
  await good(sender, "send", "red", { tags: ["red"] });
  await good(sender, "send", "all of a's", { sockets: [a.id, "*"], tags: ["red", "round"] });
  await good(sender, "send", "nobody", { tags: ["*", "blue"] });
  await good(sender, "send", 21.5, { tags: ["round"] });
  await good(sender, "send", '{"json": ["as it is"]}', { tags: ["round"] });
  await bad(422, { data: "Data isn't a string" }, sender, "send", { o: 1 }, { sockets: ["*"] });
  await bad(422, { data: "Data can't be blank" }, sender, "send", "", { sockets: ["*"] });
  await bad(422, { receivers: { tags: "Tags isn't an array" } }, sender, "send", "x", { tags: "red" });
  await bad(422, { receivers: { tags: "Tags is required" } }, sender, "rest", "POST", "/messages",
    { body: JSON.stringify({ data: "x", receivers: { sockets: ["*"] } }) });
  await bad(422, { error: "Invalid json" }, sender, "rest", "POST", "/messages", { body: "{" });
  const hook = { receivers: [{ id: "joe", objectType: "users" }, { id: "*", objectType: "aclSubject" }] };
  await good("admin", "rest", "POST", "/webhook_receivers/enginio", { body: JSON.stringify({ payload: '{"text":1}', ...hook }) });
  await good("admin", "rest", "POST", "/webhook_receivers/enginio", { body: JSON.stringify({ payload: { object: 1 }, ...hook }) });
  sa.ws.send('{"op":"pub","topic":"mws/tag/red","data":"forged"}');
  // REST and a topic are two ways to a socket: each keeps its order, neither the other's.
  await until("what REST sent", () => [sa, sb].every((s) => s.heard.includes('{"object":1}')));
  hub.say("mws/tag/red", "by topic");
  await until("the native reading", () => [sa, sb].every((s) => s.heard.includes("by topic")));
  hub.say("mws/tag/round", { v: 1 });
  const both = ["Hello", "red", "all of a's", '{"text":1}', '{"object":1}', "by topic"];
  await until("the last message", () => sa.heard.length >= 9 && sb.heard.length >= 7 && hub.heard.length >= 11);
  assert.deepStrictEqual(sa.heard, ["Hello", "red", "all of a's", "21.5", '{"json": ["as it is"]}', '{"text":1}', '{"object":1}', "by topic", '{"v":1}']);
  assert.deepStrictEqual(sb.heard, ["Hello", "to b", ...both.slice(1)]);
  // Across topics no order is promised: each is looked at by itself.
  const of = (tag) => hub.heard.filter(([t]) => t === "mws/tag/" + tag).map(([, d, from]) => [d, from]);
  assert.deepStrictEqual(of("red").slice(0, 2), [["red", "mws"], ["all of a's", "mws"]]);
  assert.deepStrictEqual(of("round")[0], ["all of a's", "mws"]);

  await good("admin", "rest", "DELETE", "/sockets/" + a.id);
  assert.strictEqual(await sa.closed, 1000);
  sb.ws.close();
  hub.ws.close();
}

// opened is qtc's own way to a socket, which takes the uri as it is.
async function opened() {
  const m = kinds[open ? "plain" : "both"];
  const text = new Promise((done) => m.on("message", (data) => done(data.toString())));
  const begun = new Promise((done, fail) => { m.on("open", done); m.on("error", (e, body) => fail(new Error(e + JSON.stringify(body)))); });
  const ended = new Promise((done) => m.on("close", done));
  m.open();
  await begun;
  await until("it hears", async () => {
    await good("both", "send", "to qtc", { sockets: ["*"] });
    return Promise.race([text.then(() => true), new Promise((done) => setTimeout(done, 10, false))]);
  });
  assert.strictEqual(await text, "to qtc");
  m.socket.close();
  await ended;
  if (open) return;
  const refused = new Mws({ address });
  const why = new Promise((done) => refused.on("error", (e, body) => done([e, body])));
  refused.open();
  assert.deepStrictEqual(await why, [401, { error: "Authorization header is required" }]);
}

(async () => {
  await readers();
  await sockets();
  await messages();
  await opened();
  console.log("done");
  process.exit(0);
})().catch((e) => { console.log(e.stack); process.exit(1); });
