// A JSON client of topicd with npm's ws, connecting as a page in a browser does.
//
// node client.js URL pub TOPIC < JSON lines    publishes each
// node client.js URL sub PATTERN N             prints the data of N readings

const WebSocket = require("ws");
const [url, what, topic, count] = process.argv.slice(2);
const origin = "http://" + new URL(url).host;
const ws = new WebSocket(url, ["topicd.v1.json"], { origin });

function done() {
  console.log("done");
  ws.close();
}

ws.on("error", (e) => { console.error(e); process.exit(1); });
ws.on("open", () => {
  if (ws.protocol !== "topicd.v1.json") throw new Error("protocol " + ws.protocol);
  if (what === "sub") ws.send(JSON.stringify({ op: "sub", id: 1, topic, opts: { last: 1000 } }));
});

let left = Number(count);
let owed = 0;
let ended = false;
let welcome = false;

ws.on("message", (data, binary) => {
  if (binary) throw new Error("a binary frame for a JSON client");
  const text = data.toString();
  const m = JSON.parse(text);
  if (m.op === "welcome") welcome = true;
  if (m.op === "live") console.log("live");
  if (m.op === "err") throw new Error(text);
  if (m.op === "ok" && what === "pub" && --owed === 0 && ended) done();
  if (m.op === "msg" && left-- > 0) {
    // As the hub wrote it: JSON.parse would round large integers.
    console.log(text.match(/"data":(.*),"ts":\d+,"seq":\d+(,"from":"[^"]*")?\}$/)[1]);
    if (left === 0) { if (!welcome) throw new Error("no welcome"); done(); }
  }
});

if (what === "pub") {
  let text = "";
  process.stdin.on("data", (b) => { text += b; });
  process.stdin.on("end", () => {
    const send = () => text.trim().split("\n").forEach((line, i) => {
      owed++;
      ws.send(`{"op":"pub","id":${i + 1},"topic":${JSON.stringify(topic)},"data":${line}}`);
    });
    ended = true;
    ws.readyState === WebSocket.OPEN ? send() : ws.on("open", send);
  });
}
