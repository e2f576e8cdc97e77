// What the page costs a machine: the processor time of all of the browser's
// processes, in a Chromium that nobody watches. A test's page is told of to Playwright
// frame by frame, which costs more than the page.

import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import WebSocket from "ws";
import { load } from "./feed.mjs";
import { flags, Hub, sleep, until } from "./stage.mjs";

/** Alone is a Chromium with tabs and no more. */
export class Alone {
  async start() {
    this.home = fs.mkdtempSync(path.join(os.tmpdir(), "topicd-cost-"));
    const own = ["--remote-debugging-port=0", "--user-data-dir=" + this.home, "--window-size=1440,900", "--lang=en-GB", "about:blank"];
    this.process = spawn("/usr/bin/chromium", [...flags, ...own], { stdio: ["ignore", "ignore", "pipe"] });
    process.on("exit", () => this.process.kill("SIGKILL"));
    this.ended = new Promise((done) => this.process.on("exit", done));
    const at = await new Promise((done, fail) => {
      let said = "";
      this.process.stderr.on("data", (b) => {
        const m = /DevTools listening on (\S+)/.exec((said += b));
        if (m) done(m[1]);
      });
      this.process.on("exit", () => fail(new Error("Chromium ended: " + said)));
    });
    this.ws = new WebSocket(at);
    await new Promise((done) => this.ws.on("open", done));
    this.id = 0;
    this.waiting = new Map();
    this.ws.on("message", (b) => {
      const m = JSON.parse(b);
      this.waiting.get(m.id)?.(m);
      this.waiting.delete(m.id);
    });
    return this;
  }

  async ask(method, params = {}, sessionId = undefined) {
    const id = ++this.id,
      answer = new Promise((done) => this.waiting.set(id, done));
    this.ws.send(JSON.stringify({ id, method, params, sessionId }));
    const { result, error } = await answer;
    if (error) throw new Error(method + ": " + error.message);
    return result;
  }

  open(url, browserContextId = undefined) {
    return this.ask("Target.createTarget", { url, browserContextId });
  }

  /** eval runs in a tab, with nobody attached before and after. */
  async eval({ targetId }, expression) {
    const { sessionId } = await this.ask("Target.attachToTarget", { targetId, flatten: true });
    const { result } = await this.ask("Runtime.evaluate", { expression, returnByValue: true }, sessionId).catch(() => ({})); // still empty
    await this.ask("Target.detachFromTarget", { sessionId });
    return result?.value;
  }

  /** spent is the processor time so far, in seconds, by kind of process. */
  async spent() {
    const by = { all: 0 };
    for (const { type, cpuTime } of (await this.ask("SystemInfo.getProcessInfo")).processInfo) {
      const kind = { renderer: "page", browser: "browser", GPU: "drawing" }[type] || "others";
      by[kind] = (by[kind] || 0) + cpuTime;
      by.all += cpuTime;
    }
    return by;
  }

  async end() {
    this.ws.close();
    this.process.kill("SIGTERM");
    await this.ended;
    fs.rmSync(this.home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }); // its children end after it
  }
}

// Views beside 1,000 topics at ten readings a second.
const shown = {
  list: "#topics",
  plot: "#topics?plot=plant/line0/sensor0&plot=plant/line0/sensor1",
  wall: "#wall",
  log: "#log",
};

/** cost tells what each view takes of a core, the least and the most of four spans, and a tab behind another one. */
export async function cost({ binary }) {
  const hub = await new Hub(binary, "--sense=off").start();
  const feed = await load(hub.ws, 1000, 10);
  const browser = await new Alone().start();
  const told = [];
  const only = process.env.VIEWS?.split(",");
  try {
    const state = (tab) => browser.eval(tab, "document.visibilityState + ' ' + document.querySelector('#state')?.className");
    const measure = async (name, tab, wanted = "visible pill live") => {
      await until(name + " is there", async () => (await state(tab)) === wanted);
      await sleep(wanted[0] === "h" ? 12000 : 5000); // its beginning is not what is measured
      const spans = [];
      for (let i = 0; i < 4; i++) {
        const a = await browser.spent(),
          at = performance.now();
        await sleep(5000); // in which it asks for the list once
        const b = await browser.spent();
        spans.push(Object.fromEntries(Object.keys(b).map((k) => [k, ((b[k] - (a[k] || 0)) / (performance.now() - at)) * 1e5])));
      }
      spans.sort((a, b) => a.all - b.all); // what others do on the machine only adds
      const parts = Object.entries(spans[0]).map(([k, v]) => (k === "all" ? "" : k + " ") + v.toFixed(1));
      told.push(`${name}: ${parts.join(", ")}; at most ${spans.at(-1).all.toFixed(1)}`);
    };
    for (const [name, path] of Object.entries(shown)) {
      if (only && !only.includes(name)) continue;
      const tab = await browser.open(hub.url + path);
      await measure(name, tab);
      if (name === "list") {
        const other = await browser.open("about:blank");
        await measure("hidden", tab, "hidden pill live");
        await browser.ask("Target.closeTarget", { targetId: other.targetId });
      }
      await browser.ask("Target.closeTarget", { targetId: tab.targetId });
    }
  } finally {
    await browser.end();
    feed.close();
    await hub.end();
  }
  return "% of a core\n\t" + told.join("\n\t");
}

const seen = `(() => {
  const paint = performance.getEntriesByName("first-contentful-paint")[0],
    load = performance.getEntriesByType("navigation")[0];
  const there = paint && load.loadEventEnd && document.querySelector(".space .row:not([hidden])");
  return there ? [paint.startTime, load.loadEventEnd] : null;
})()`;

/** paint tells when something of the page is seen, with an empty and with a full cache, and what a load takes. */
export async function paint({ binary }) {
  const hub = await new Hub(binary, "--sense=off").start();
  const feed = await load(hub.ws, 100, 1);
  const browser = await new Alone().start();
  const told = { "empty cache": [], "full cache": [] };
  try {
    for (let i = 0; i < 9; i++) {
      const { browserContextId } = await browser.ask("Target.createBrowserContext");
      for (const list of Object.values(told)) {
        const tab = await browser.open("about:blank", browserContextId);
        await sleep(300); // its process is not what is measured
        const before = (await browser.spent()).all;
        await browser.eval(tab, `location.href = ${JSON.stringify(hub.url)}`);
        await sleep(700); // nor is it watched meanwhile
        let times = null;
        await until("the topics are there", async () => (times = await browser.eval(tab, seen)));
        list.push([...times, ((await browser.spent()).all - before) * 1000]);
        await browser.ask("Target.closeTarget", tab);
      }
      await browser.ask("Target.disposeBrowserContext", { browserContextId });
    }
  } finally {
    await browser.end();
    feed.close();
    await hub.end();
  }
  const of = (list, k) => {
    const v = list.map((x) => x[k]).sort((a, b) => a - b);
    return `${v[v.length >> 1].toFixed(0)} ms (least ${v[0].toFixed(0)})`;
  };
  return "median of nine loads\n\t" + Object.entries(told).map(([name, l]) => `${name}: first paint ${of(l, 0)}, loaded ${of(l, 1)}, processor ${of(l, 2)}`).join("\n\t");
}
