// Pages with somebody's qwebchannel.js and npm's ws: chat, dialog and topics.
//
// node webchannel.js URL QWEBCHANNEL.JS
//
// It prints a line for each thing that has come out right, and throws if one
// did not.

const assert = require("assert");
const WebSocket = require("ws");
const [url, file] = process.argv.slice(2);
const { QWebChannel } = require(file);

const origin = "http://" + new URL(url).host;

// What a client writes to the console is an error of ours.
for (const f of ["error", "warn"]) console[f] = (...a) => { throw new Error(a.join(" ")); };

// page connects and resolves with the channel once it is described.
function page(path) {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(url + path, { origin });
    const transport = { send: (d) => ws.send(d) };
    ws.on("message", (d, binary) => {
      if (binary) throw new Error("a binary frame");
      transport.onmessage({ data: d.toString() });
    });
    ws.on("error", reject);
    ws.on("open", () => new QWebChannel(transport, (channel) => { channel.ws = ws; resolve(channel); }));
  });
}

// call is a method as a promise, for versions that have none.
const call = (object, method, ...args) =>
  new Promise((resolve) => object[method](...args, (result) => resolve(result)));

// next is the arguments of the next emission of a signal.
const next = (signal) => new Promise((resolve) => {
  const once = (...args) => { signal.disconnect(once); resolve(args); };
  signal.connect(once);
});

// until waits for a condition that a property's change brings.
const until = (signal, holds) => new Promise((resolve) => {
  const look = () => { if (holds()) { signal.disconnect(look); resolve(); } };
  signal.connect(look);
  look();
});

async function chat() {
  const [alice, bob] = [await page("/webchannel"), await page("/")];
  const [a, b] = [alice.objects.chatserver, bob.objects.chatserver];
  const heard = next(b.userListChanged);
  const counted = next(a.userCountChanged);
  assert.strictEqual(await call(a, "login", "alice"), true);
  await counted;
  await heard;
  assert.deepStrictEqual(b.userList, ["alice"]);
  assert.strictEqual(await call(b, "login", "alice"), false);
  assert.strictEqual(await call(b, "login(QString)", "bob"), true); // by number where the version does that
  await until(a.userListChanged, () => a.userList.length === 2);
  assert.deepStrictEqual(a.userList, ["alice", "bob"]);
  const both = [next(a.newMessage), next(b.newMessage)];
  await call(b, "keepAliveResponse", "bob"); // a connect is not answered: what is answered behind it tells that it is done
  assert.strictEqual(await call(a, "sendMessage", "alice", "hello <b>\"bob\"</b> \u00e9 \ud834\udd1e"), true);
  for (const args of await Promise.all(both)) {
    assert.match(args[0], /^\d\d:\d\d:\d\d$/);
    assert.deepStrictEqual(args.slice(1), ["alice", "hello <b>\"bob\"</b> \u00e9 \ud834\udd1e"]);
  }
  assert.strictEqual(await call(b, "sendMessage", "alice", "not me"), false);
  assert.strictEqual(await call(b, "logout", "alice"), false);
  assert.strictEqual(await call(a, "keepAliveResponse", "alice"), null);
  const promised = a.keepAliveResponse("alice"); // versions before 5.14 make none
  if (promised !== undefined) assert.strictEqual(await promised, null);
  assert.deepStrictEqual(await call(a, "sendMessage", "alice"), []); // too few arguments
  bob.ws.close();
  await until(a.userListChanged, () => a.userList.length === 1);
  assert.strictEqual(await call(a, "logout", "alice"), true);
  alice.ws.close();
  console.log("chat");
}

async function dialog() {
  const one = await page("/webchannel");
  for (const name of ["core", "dialog"]) {
    const o = one.objects[name];
    const heard = next(o.sendText);
    assert.strictEqual(await call(o, "receiveText", "from a page by " + name), null);
    const { readings } = await call(one.objects.topics, "get", "dialog/received");
    assert.strictEqual(readings[0].data, "from a page by " + name);
    await call(one.objects.topics, "publish", "dialog", "operator says hi");
    assert.deepStrictEqual(await heard, ["operator says hi"]);
  }
  one.ws.close();
  console.log("dialog");
}

async function topics() {
  const one = await page("/webchannel");
  const t = one.objects.topics;
  const { error } = await call(t, "publish", "not/a/+/topic", 1);
  assert.strictEqual(error.code, 400);
  assert.deepStrictEqual(Object.keys(await call(t, "subscribe", "js/#")), ["topics", "from", "gap"]);
  const values = [21.5, -1, "text \u2028 \ud834\udd1e", null, true, [1, [2]], { u: "Cel", v: 21.5 }, { id: "core", a: 1 }];
  for (const v of values) {
    const heard = next(t.message);
    const { seq } = await call(t, "publish", "js/values", v);
    const [topic, data, n, ts] = await heard;
    assert.deepStrictEqual([topic, data, n], ["js/values", v, seq]);
    assert(Math.abs(Date.now() - ts) < 60e3);
  }
  // What the client would take for a published object arrives as text.
  const heard = next(t.message);
  await call(t, "publish", "js/values", '{"__QObject*__":true}');
  await heard;
  await until(t.topicListChanged, () => t.topicList.includes("js/values"));
  const { topics: rows, more } = await call(t, "list", "js/+");
  assert.deepStrictEqual([rows.length, rows[0].topic, more], [1, "js/values", false]);
  assert((await call(t, "list")).topics.length >= 1);
  const got = await call(t, "get", "js/#", { last: 3 });
  assert.strictEqual(got.readings.length, 3);
  assert.strictEqual((await call(t, "unsubscribe", "js/#")).pattern, "js/#");
  assert.strictEqual((await call(t, "unsubscribe", "js/#")).error.code, 404);
  one.ws.close();
  console.log("topics");
}

chat().then(dialog).then(topics).catch((e) => { process.stdout.write(String(e && e.stack) + "\n"); process.exit(1); });
