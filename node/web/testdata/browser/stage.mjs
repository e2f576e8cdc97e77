// What the checks stand on: a hub of their own, Chromium, a page that is watched.

import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";

export const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--js-flags=--expose-gc",
];

if (process.env.STATIC) flags.push("--disable-features=LocalNetworkAccessChecks"); // such a page seems to come from elsewhere

export const launch = () => chromium.launch({ executablePath: "/usr/bin/chromium", args: flags });

const running = new Set();
process.on("exit", () => running.forEach((p) => p.kill("SIGKILL")));

// The first port that the kernel gives to who asks for any, and to connections.
const unfixed = Number(fs.readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split("\t")[0]);

const given = new Set();

/** freePort is one that nobody serves on, and that nobody is given while a hub on it restarts. */
export async function freePort() {
  for (;;) {
    const port = 10000 + Math.floor(Math.random() * Math.max(unfixed - 10000, 10000)),
      free = await new Promise((done) => {
        const s = net.createServer();
        s.on("error", () => done(false));
        s.listen(port, "127.0.0.1", () => s.close(() => done(true)));
      });
    if (free && !given.has(port)) {
      given.add(port); // nobody may serve on it yet
      return port;
    }
  }
}

/** Hub is the real binary on a port of its own, which it keeps over a restart. */
export class Hub {
  constructor(binary, ...more) {
    this.binary = binary;
    this.more = more;
    this.state = fs.mkdtempSync(path.join(os.tmpdir(), "topicd-browser-"));
  }

  async start() {
    this.addr ??= "127.0.0.1:" + (await freePort());
    this.process = spawn(this.binary, ["serve", "--listen", this.addr, "--mdns=off", "--state", this.state, ...this.more], {
      env: { ...process.env, PORT: "", TOPICD_HUB: "", TOPICD_MDNS: "off" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.add(this.process);
    this.ended = new Promise((done) => this.process.on("exit", done));
    this.errs = "";
    this.process.stderr.on("data", (b) => (this.errs += b));
    const ws = await new Promise((done, fail) => {
      let out = "";
      this.process.stdout.on("data", (b) => {
        out += b;
        const m = /^\s*(ws:\/\/\S+)$/m.exec(out);
        if (m) done(m[1]);
      });
      this.process.on("exit", () => fail(new Error("the hub ended: " + this.errs)));
    });
    this.ws = ws;
    this.addr = new URL(ws).host;
    this.url = "http://" + this.addr + "/";
    return this;
  }

  get admin() {
    return fs.readFileSync(path.join(this.state, "admin-token"), "utf8").trim();
  }

  async stop() {
    this.process.kill("SIGTERM");
    await this.ended;
    running.delete(this.process);
  }

  /** crash ends it so that nothing is kept. */
  async crash() {
    this.process.kill("SIGKILL");
    await this.ended;
    running.delete(this.process);
  }

  async end() {
    await this.stop();
    fs.rmSync(this.state, { recursive: true, force: true });
  }
}

/** open is a page of a browser that was never there; page.faults is what went wrong in it. */
export async function open(
  browser,
  hub,
  { width = 1280, height = 800, dark = true, kept = {}, phone = false, token = "", scale = 1, path = "", waits = true, ready = null, locale = "en-GB", motion = false } = {},
) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    deviceScaleFactor: scale,
    isMobile: phone,
    hasTouch: phone,
    reducedMotion: motion ? "no-preference" : "reduce",
    locale,
  });
  await context.addInitScript(
    ({ kept, token }) => {
      window.violations = [];
      document.addEventListener("securitypolicyviolation", (e) => window.violations.push(e.violatedDirective + " " + e.blockedURI));
      if (!localStorage.getItem("topicd")) localStorage.setItem("topicd", JSON.stringify(kept));
      if (token) localStorage.setItem("topicd.token", token);
      window.told = []; // notices, which go after some seconds
      document.addEventListener("readystatechange", () => {
        const says = document.getElementById("says");
        if (document.readyState === "interactive" && says) // before the page's own begins
          new MutationObserver((all) => all.forEach((m) => m.addedNodes.forEach((p) => window.told.push(p.className + ": " + p.textContent)))).observe(says, { childList: true });
      });
    },
    { kept, token },
  );
  if (process.env.STATIC) await fresh(context, hub, process.env.STATIC);
  const page = await context.newPage();
  page.setDefaultTimeout(60000); // two cores, and all other tests
  page.faults = [];
  page.on("pageerror", (e) => page.faults.push(e.stack));
  page.on("console", (m) => {
    if (m.type() === "error" && !/WebSocket|ERR_CONNECTION|ERR_SOCKET_NOT_CONNECTED|ERR_INCOMPLETE|status of [45]/.test(m.text())) page.faults.push(m.text());
  });
  page.on("dialog", (d) => {
    page.faults.push("a dialog opened: " + d.message());
    d.dismiss();
  });
  await ready?.(page);
  await page.goto(hub.url + path);
  if (waits) await live(page);
  return page;
}

// STATIC=FOLDER: the page as it stands there, without building the hub anew.
const fresh = (context, hub, folder) =>
  context.route(
    (u) => u.origin === new URL(hub.url).origin && /\/(static\/[^/]+)?$/.test(u.pathname),
    async (r) => {
      const at = new URL(r.request().url()).pathname,
        name = at.endsWith("/") ? "index.html" : path.basename(at);
      const kinds = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml", png: "image/png" };
      const response = await r.fetch().catch(() => null);
      if (!response) return r.abort();
      const headers = { ...response.headers(), "content-type": kinds[name.split(".").at(-1)] || "application/manifest+json" };
      delete headers["content-length"];
      const policy = headers["content-security-policy"] || "default-src 'self'; style-src 'self'";
      headers["content-security-policy"] = policy.replace(/style-src [^;]*/, "style-src 'self' 'unsafe-inline'"); // the page's own may be another now
      await r.fulfill({ status: 200, headers, body: fs.readFileSync(path.join(folder, name)) });
    },
  );

export const live = (page) => page.waitForSelector("#state.live");

/** losing looks out from now on for the page to lose its hub, for however short a while, and gives what waits for it. */
export async function losing(page) {
  await page.evaluate(() => {
    const state = document.getElementById("state"),
      look = () => (window.hasLost ||= state.classList.contains("lost"));
    window.hasLost = false;
    new MutationObserver(look).observe(state, { attributes: true });
  });
  return () => until("the hub is lost", () => page.evaluate(() => window.hasLost));
}

/** told waits for a notice, which may be gone again when this process has its turn. */
export const told = (page, text) => until("a notice says: " + text, () => page.evaluate((t) => window.told.some((n) => n.includes(t)), text));

/** row is the tree's row whose topic has that path. */
export const row = (page, topic) =>
  page.locator(".space .row:not([hidden])", { has: page.locator(`.name[title="${topic.replace(/["\\]/g, "\\$&")}"]`) });

/** filter narrows the tree, and waits until that is painted: its rows are used again for other topics. */
export async function filter(page, text) {
  await page.fill("#filter", text);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(done), 150))));
}

/** close ends a page; what went wrong in it fails the check. */
export async function close(page) {
  page.faults.push(...(await page.evaluate(() => window.violations)));
  await page.context().close();
  if (page.faults.length) throw new Error(page.faults.slice(0, 3).join("\n"));
}

export function assert(good, what) {
  if (!good) throw new Error(what);
}

/** until waits for a condition in the page or here. */
export async function until(what, f, ms = 60000) {
  const end = Date.now() + ms;
  for (;;) {
    if (await f()) return;
    if (Date.now() > end) throw new Error("it took too long: " + what);
    await new Promise((r) => setTimeout(r, 40));
  }
}

export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

/** Peer is a client of the hub outside of the browser. */
export class Peer {
  static async open(url, token = "") {
    const { open } = await import("./feed.mjs");
    const p = new Peer();
    p.ws = await open(url + (token ? "?access_token=" + token : ""));
    p.id = 0;
    p.waiting = new Map();
    p.ws.on("message", (b) => {
      for (const m of [JSON.parse(b)].flat()) if (m.id) p.waiting.get(m.id)?.(m);
    });
    return p;
  }

  ask(m) {
    m.id = ++this.id;
    return new Promise((done) => {
      this.waiting.set(m.id, done);
      this.ws.send(JSON.stringify(m));
    });
  }

  async pub(topic, data) {
    const a = await this.ask({ op: "pub", topic, data });
    if (a.op !== "ok") throw new Error(topic + ": " + a.err.msg);
  }

  close() {
    this.ws.close();
  }
}
