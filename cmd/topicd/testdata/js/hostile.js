// A page that somebody else serves, in Debian's Chromium, tries what it can do
// with the hub at HOST:PORT. It prints a line for each thing that has come out right.
//
// node hostile.js HOST:PORT

const assert = require("assert");
const http = require("http");
const { chromium } = require("../../../../node/web/testdata/browser/node_modules/playwright-core");
const hub = process.argv[2];
const port = hub.split(":")[1];

// socket tells in a page whether a WebSocket opens.
const socket = (url) => new Promise((resolve) => {
  const ws = new WebSocket(url);
  ws.onopen = () => resolve("open");
  ws.onerror = () => resolve("refused");
});

// answer tells in a page what of an answer can be read.
const answer = (url, options) => fetch(url, options).then((r) => r.text().then((t) => `${r.status} ${r.type} ${t.length}`), () => "blocked");

const status = (path, headers) => new Promise((resolve) => http.get(`http://${hub}${path}`, { headers }, (r) => { r.resume(); resolve(r.statusCode); }));

async function main() {
  const evil = http.createServer((_, res) => { res.setHeader("Content-Type", "text/html"); res.end("<h1>evil</h1>"); });
  await new Promise((r) => evil.listen(0, "127.0.0.1", r));
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests", "--host-resolver-rules=MAP evil.example 127.0.0.1"],
  });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${evil.address().port}/`);
    for (const path of ["/", "/ws", "/scd", "/webchannel", "/echo", "/relay/r"]) {
      assert.equal(await page.evaluate(socket, `ws://${hub}${path}`), "refused", path);
    }
    console.log("sockets");
    for (const options of [{ method: "POST", body: "1" }, { method: "POST", body: "1", mode: "no-cors" }, { method: "PUT", body: "{}", headers: { "Content-Type": "application/json" } }]) {
      await page.evaluate(([u, o]) => fetch(u, o).catch(() => {}), [`http://${hub}/api/pub/stolen`, options]);
    }
    assert.equal(await status("/api/topics/stolen"), 404);
    console.log("publishing");
    for (const path of ["/api/topics", "/api/me", "/metrics", "/v1/websocket_uri"]) {
      assert.equal(await page.evaluate(([f, u]) => eval(f)(u), [answer.toString(), `http://${hub}${path}`]), "blocked", path);
    }
    console.log("reading");
    await page.evaluate((u) => Promise.all(Array.from({ length: 25 }, (_, i) => new Promise((r) => {
      const img = new Image();
      img.onerror = r;
      img.src = `${u}${i}`;
    }))), `http://${hub}/api/me?access_token=junk`);
    assert.equal(await status("/api/me?access_token=junk"), 429);
    assert.equal(await status("/api/me", { Authorization: "Bearer junk" }), 401);
    console.log("guessing");
    const reply = await page.goto(`http://evil.example:${port}/`);
    assert.equal(reply.status(), 421);
    assert.equal(await page.evaluate(socket, `ws://evil.example:${port}/ws`), "refused");
    console.log("rebinding");
    await page.goto(`http://${hub}/`); // its Content-Security-Policy lets it connect to itself
    assert.equal(await page.evaluate(socket, `ws://${hub}/ws`), "open");
    console.log("its own page");
  } finally {
    await browser.close();
    evil.close();
  }
}

main().catch((e) => { console.error(e); process.exit(1); });
