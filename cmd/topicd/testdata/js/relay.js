// Through a room of the relay: node relay.js ROOM-URL. Two ws clients, then a
// page with npm's qwebchannel and the application that is its host. Prints "done".
"use strict";
const assert = require("assert");
const WebSocket = require("ws");
const { QWebChannel } = require("qwebchannel");

const open = (path) => new Promise((ok, no) => {
  const ws = new WebSocket(process.argv[2] + path);
  ws.heard = [];
  ws.on("message", (data, binary) => ws.heard.push(binary ? data : data.toString()));
  // Its pong says that the member is in the room: the handshake is a little earlier.
  ws.on("open", () => ws.ping()).on("pong", () => ok(ws)).on("error", no);
});
const until = async (what, test) => {
  for (let i = 0; i < 6000; i++, await new Promise((ok) => setTimeout(ok, 10))) if (test()) return;
  throw new Error("not within 60 s: " + what);
};

// host answers as the application of Qt's standalone example does (facts: Qt
// 5.15.8), over a client connection: in the talk the application is a client too.
function host(ws, texts) {
  const methods = [["deleteLater", 3], ["deleteLater()", 3], ["receiveText", 6], ["receiveText(QString)", 6]];
  const signals = [["destroyed", 0], ["destroyed(QObject*)", 0], ["destroyed()", 1], ["sendText", 5], ["sendText(QString)", 5]];
  const core = { methods, properties: [[0, "objectName", [1, 2], ""]], signals };
  ws.on("message", (data) => {
    const m = JSON.parse(data);
    if (m.type === 3) ws.send(JSON.stringify({ data: { core }, id: m.id, type: 10 }));
    if (m.type === 6) {
      texts.push(m.args[0]);
      ws.send(JSON.stringify({ data: null, id: m.id, type: 10 }));
    }
  });
}

(async () => {
  const alice = await open("/alice"), bob = await open("/bob");
  alice.send("hello");
  alice.send(Buffer.from([1, 2, 255]));
  alice.send("");
  bob.send("x".repeat(60000));
  await until("messages", () => bob.heard.length === 3 && alice.heard.length === 1);
  assert.deepStrictEqual(bob.heard, ["hello", Buffer.from([1, 2, 255]), ""]);
  assert.strictEqual(alice.heard[0].length, 60000);
  alice.close();
  bob.close();

  const app = await open("/app"), page = await open("/page");
  const texts = [], shown = [];
  host(app, texts);
  const channel = await new Promise((ok) => new QWebChannel({ send: (d) => page.send(d), set onmessage(f) { page.on("message", (d) => f({ data: d.toString() })); } }, ok));
  channel.objects.core.sendText.connect((t) => shown.push(t));
  await channel.objects.core.receiveText("Client connected, ready to send/receive messages!");
  app.send(JSON.stringify({ args: ['operator says "hi"'], object: "core", signal: 5, type: 1 }));
  await until("dialog", () => texts.length === 1 && shown.length === 1);
  assert.deepStrictEqual([texts, shown], [["Client connected, ready to send/receive messages!"], ['operator says "hi"']]);
  app.close();
  page.close();
  console.log("done");
})().catch((e) => { console.log(e.stack); process.exit(1); });
