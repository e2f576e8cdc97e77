// A CBOR client of topicd with npm's ws and cbor-x, as firmware-notes/protocol.md says to use it.
//
// node cborx.js URL    publishes what JavaScript makes of readings, and prints each answer
const WebSocket = require("ws");
const { encode, decode, Encoder } = require("cbor-x");
const ws = new WebSocket(process.argv[2], ["topicd.v1.cbor"]);
const plain = new Encoder({ useRecords: false });

const frames = [
  encode({ op: "pub", id: 1700000000000, topic: "x/js", data: 21.5, seq: undefined, opts: { split: undefined }, from: null }),
  encode({ op: "pub", id: 2, topic: "x/js", data: new Map([[2, 21.5], [1, "Cel"]]), seq: 2 ** 32 }),
  encode(new Map([["op", "pub"], ["id", 3], ["topic", "x/js"], ["data", new Date(1700000000000)]])),
  plain.encode({ op: "get", id: 4, topic: "x/js", opts: { last: 3, since: undefined } }),
  encode({ op: "hello", id: 5, opts: { name: "js", dev: undefined, token: undefined } }),
  Buffer.from('{"op":"ping"}'), // the usual slip: a Buffer goes as binary
];

ws.on("error", (e) => { console.error(e); process.exit(1); });
ws.on("message", (data, binary) => {
  const m = binary ? decode(data) : JSON.parse(data.toString());
  if (!binary) throw new Error("a text frame for a CBOR client");
  console.log(JSON.stringify(m, (k, v) => (v instanceof Map ? Object.fromEntries(v) : typeof v === "bigint" ? Number(v) : v)));
  const next = frames.shift();
  if (next) ws.send(next); else ws.close();
});
