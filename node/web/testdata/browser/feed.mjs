// Publishes what a greenhouse, a boat and a workshop would: for the tests, for
// screenshots, and to have something to look at.
//   node feed.mjs ws://127.0.0.1:22345/ws
import WebSocket from "ws";

// name, unit, middle, swing, period in s, noise, decimals, seconds between readings
export const sensors = [
  ["greenhouse/1/temp", "Cel", 23.4, 2.6, 420, 0.12, 2, 1],
  ["greenhouse/1/humidity", "%RH", 61, 9, 420, 0.5, 1, 1],
  ["greenhouse/1/light", "lx", 18400, 9000, 900, 260, 0, 1],
  ["greenhouse/1/soil/1", "/100", 34, 6, 1500, 0.2, 1, 2],
  ["greenhouse/1/soil/2", "/100", 41, 5, 1700, 0.2, 1, 2],
  ["greenhouse/1/co2", "ppm", 640, 180, 700, 8, 0, 2],
  ["greenhouse/2/temp", "Cel", 21.1, 1.9, 380, 0.1, 2, 1],
  ["greenhouse/2/humidity", "%RH", 68, 7, 380, 0.5, 1, 1],
  ["greenhouse/2/light", "lx", 12100, 7000, 900, 200, 0, 1],
  ["boat/battery/house", "V", 12.84, 0.31, 600, 0.01, 2, 1],
  ["boat/battery/current", "A", 4.2, 6.5, 300, 0.3, 2, 0.5],
  ["boat/solar/power", "W", 182, 95, 900, 6, 0, 1],
  ["boat/depth", "m", 7.4, 3.1, 240, 0.05, 1, 0.5],
  ["boat/wind/speed", "kn", 14.2, 5, 90, 1.1, 1, 0.5],
  ["boat/wind/angle", "deg", 212, 30, 130, 4, 0, 0.5],
  ["boat/bilge/level", "mm", 38, 12, 1800, 0.4, 0, 5],
  ["boat/barometer", "Pa", 101530, 420, 3600, 3, 0, 5],
  ["workshop/power/lathe", "W", 640, 560, 75, 18, 0, 0.5],
  ["workshop/power/total", "kW", 2.31, 0.9, 160, 0.04, 2, 1],
  ["workshop/compressor/pressure", "bar", 7.1, 0.8, 110, 0.02, 2, 1],
  ["workshop/dust", "ug/m3", 31, 18, 500, 2, 0, 2],
  ["workshop/temp", "Cel", 18.2, 1.1, 1200, 0.05, 1, 2],
];

export function at([, u, mid, swing, period, noise, digits], t, k) {
  const w = (2 * Math.PI * t) / period + k;
  return {
    u,
    v: Number((mid + swing * (0.7 * Math.sin(w) + 0.3 * Math.sin(w * 2.7 + k)) + noise * (Math.random() * 2 - 1)).toFixed(digits)),
  };
}

export function open(url) {
  return new Promise((done, fail) => {
    const ws = new WebSocket(url, "topicd.v1.json", { maxPayload: 1 << 20 });
    ws.on("open", () => done(ws));
    ws.on("error", fail);
    ws.on("message", () => {});
  });
}

/** demo publishes until the socket closes. */
export async function demo(url) {
  const ws = await open(url);
  ws.send(JSON.stringify({ op: "hello", opts: { dev: "esp32-greenhouse" } }));
  ws.send(JSON.stringify({ op: "make", topic: "greenhouse/1/temp", opts: { static: true, cap: 262144, stale: 300 } }));
  const began = Date.now();
  let n = 0; // quarters of a second
  const timer = setInterval(() => {
    const batch = [];
    for (; n * 250 <= Date.now() - began; n++) {
      const t = began / 1000 + n / 4;
      sensors.forEach((s, k) => {
        if (n % (s[7] * 4) === 0) batch.push({ op: "pub", topic: s[0], data: at(s, t, k) });
      });
      if (n % 60 === 0) batch.push({ op: "pub", topic: "workshop/door", data: n % 120 ? "open" : "closed" });
    }
    if (ws.readyState === 1 && batch.length) ws.send(JSON.stringify(batch));
  }, 250);
  ws.on("close", () => clearInterval(timer));
  return ws;
}

/** load publishes to so many topics, each so often a second, until it is closed. */
export async function load(url, topics, rate) {
  const sockets = await Promise.all([open(url), open(url)]),
    names = Array.from({ length: topics }, (_, i) => `plant/line${Math.floor(i / 100)}/sensor${i % 100}`);
  let n = 0,
    sent = 0;
  const slices = 10,
    timer = setInterval(
      () => {
        const slice = n++ % slices,
          per = topics / slices;
        for (let part = 0; part < per; part += 100) {
          const batch = names
            .slice(slice * per + part, Math.min(slice * per + part + 100, (slice + 1) * per))
            .map((topic, i) => ({ op: "pub", topic, data: { u: "Cel", v: Number((20 + Math.sin(n / 40 + i) * 5).toFixed(2)) } }));
          sockets[n % 2].send(JSON.stringify(batch));
          sent += batch.length;
        }
      },
      1000 / rate / slices,
    );
  return {
    sent: () => sent,
    close() {
      clearInterval(timer);
      sockets.forEach((s) => s.close());
    },
  };
}

if (import.meta.url === "file://" + process.argv[1]) await demo(process.argv[2]);
