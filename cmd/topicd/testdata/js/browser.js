// Two pages in Debian's Chromium.
//
// node browser.js chat URL PAGE.html HUB SCREENSHOT.png    our own example page
// node browser.js dialog URL PAGE.html HUB SCREENSHOT.png  Qt's standalone example
//
// URL is where a native client of the hub connects. It prints a line for each
// thing that has come out right.

const assert = require("assert");
const fs = require("fs");
const os = require("os");
const path = require("path");
const WebSocket = require("ws");
const { chromium } = require("../../../../node/web/testdata/browser/node_modules/playwright-core");
const [what, url, file, hub, picture] = process.argv.slice(2);

// native is a client that publishes and hears.
function native() {
  const ws = new WebSocket(url, ["topicd.v1.json"]);
  const heard = [];
  ws.on("message", (d) => { const m = JSON.parse(d); if (m.op === "msg") heard.push(m); });
  return new Promise((resolve) => ws.on("open", () => resolve({
    heard,
    publish: (topic, data) => ws.send(JSON.stringify({ op: "pub", topic, data })),
    subscribe: (topic) => ws.send(JSON.stringify({ op: "sub", topic })),
    close: () => ws.close(),
  })));
}

async function until(what, holds) {
  const end = Date.now() + 60e3;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error("waited for: " + what);
    await new Promise((r) => setTimeout(r, 20));
  }
}

async function chat(open, n) {
  n.subscribe("chat");
  n.publish("greenhouse/1/temp", { n: "temp", u: "Cel", v: 21.5 });
  const [alice, bob] = [await open(`?hub=${hub}`), await open(`?hub=${hub}`)];
  const text = (page, id) => page.locator(id).innerText();
  for (const [page, name] of [[alice, "alice"], [bob, "bob"]]) {
    await until("a reading", async () => (await text(page, "#readings")).includes("21.5 Cel"));
    await page.fill("#name", name);
    await page.click("#login button");
    await until("the login", async () => page.locator("#say").isVisible());
  }
  await until("the list of users", async () => (await text(alice, "#users")) === "alice, bob");
  console.log("users");
  await alice.fill("#text", "hello <b>bob</b>");
  await alice.click("#say button");
  await until("the message", async () => /^\[\d\d:\d\d:\d\d\] alice: hello <b>bob<\/b>\n?$/.test(await text(bob, "#chat")));
  n.publish("chat", { user: "gateway", text: "hello both" });
  for (const page of [alice, bob]) await until("the gateway's message", async () => (await text(page, "#chat")).includes("gateway: hello both"));
  await until("alice's message at a native client", async () => n.heard.some((m) => m.data.text === "hello <b>bob</b>"));
  console.log("chat");
  n.publish("greenhouse/1/temp", { n: "temp", u: "Cel", v: 22.25 });
  await until("the next reading", async () => (await text(alice, "#readings")).includes("22.25 Cel"));
  await until("the topics", async () => Number(await text(alice, "#count")) >= 2);
  console.log("readings");
  await alice.screenshot({ path: picture });
  await bob.close();
  await until("bob to be gone", async () => (await text(alice, "#users")) === "alice");
  console.log("gone");
}

async function dialog(open, n) {
  n.subscribe("dialog/received");
  const pages = [await open(`?webChannelBaseUrl=${hub}`), await open(`?webChannelBaseUrl=${hub}`)];
  const shows = (page, text) => page.evaluate((t) => document.getElementById("output").innerHTML.includes(t), text);
  for (const page of pages) await until("the channel", () => shows(page, "Connected to WebChannel, ready to send/receive messages!"));
  await pages[0].fill("#input", "from the page");
  await pages[0].click("#send");
  await until("the page's text", async () => n.heard.some((m) => m.data === "from the page"));
  n.publish("dialog", "from the operator");
  for (const page of pages) await until("the operator's text", () => shows(page, "Received message: from the operator"));
  await pages[0].screenshot({ path: picture });
  console.log("dialog");
}

(async () => {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "topicd-chromium-"));
  const context = await chromium.launchPersistentContext(home, {
    executablePath: "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const n = await native();
  try {
    const errors = [];
    const open = async (query) => {
      const page = await context.newPage();
      page.on("pageerror", (e) => errors.push(String(e)));
      page.on("console", (m) => { if (m.type() === "error" || m.type() === "warning") errors.push(m.text()); });
      await page.goto("file://" + file + query);
      return page;
    };
    await { chat, dialog }[what](open, n);
    assert.deepStrictEqual(errors, []);
  } finally {
    n.close();
    await context.close();
    fs.rmSync(home, { recursive: true, force: true });
  }
})().catch((e) => { process.stdout.write(String(e && e.stack) + "\n"); process.exit(1); });
