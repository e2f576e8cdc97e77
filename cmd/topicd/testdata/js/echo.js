// npm's ws against an echo endpoint: node echo.js URL. Prints "done".
"use strict";
const crypto = require("crypto");
const WebSocket = require("ws");

const ws = new WebSocket(process.argv[2], { perMessageDeflate: false });
const MiB = 1 << 20;
const messages = [
  "Hello, world!",
  "",
  '{"type":3,"id":0}',
  '{"op":"ping","id":1}',
  "SCDTMH:1.0\tTRN:Chat\n",
  "Grüße, 世界 𝄞".repeat(1000),
  "x".repeat(MiB),
  Buffer.alloc(0),
  Buffer.from([0, 255, 128]),
  crypto.randomBytes(MiB),
];
const parts = ["frag", "", "men", "ted ü"];

const heard = [];
ws.on("open", () => {
  for (const m of messages) ws.send(m);
  // As Qt does above 512 KiB: a text without FIN, continuations, the last with it.
  parts.forEach((p, i) => ws.send(p, { fin: i === parts.length - 1 }));
  const half = crypto.randomBytes(MiB / 2);
  ws.send(half, { fin: false });
  ws.ping("are you there");
  ws.send(half, { fin: true });
  messages.push(parts.join(""), Buffer.concat([half, half]));
});
let pong = false;
ws.on("pong", (d) => { pong = d.toString() === "are you there"; });
ws.on("message", (data, binary) => {
  const want = messages[heard.length];
  heard.push(binary);
  if (binary !== Buffer.isBuffer(want) || !Buffer.from(want).equals(data)) {
    console.log(`message ${heard.length} came back otherwise: ${binary} ${data.length} bytes`);
    process.exit(1);
  }
  if (heard.length === messages.length) setTimeout(() => ws.close(1000), 50); // nothing more may come
  if (heard.length > messages.length) process.exit(1);
});
ws.on("close", (code) => {
  console.log(code === 1000 && pong ? "done" : `closed with ${code}, pong ${pong}`);
});
ws.on("error", (e) => { console.log(e.message); process.exit(1); });
