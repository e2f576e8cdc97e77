// What a person relies on, each checked in a page of its own.

import fs from "node:fs";
import { createRequire } from "node:module";
import { load } from "./feed.mjs";
import { assert, close, filter, Hub, live, losing, open, Peer, row, sleep, until } from "./stage.mjs";

const axeSource = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const views = ["topics", "wall", "log", "chat", "clients", "memory", "hub"];
const go = (page, view) =>
  page.evaluate((v) => {
    location.hash = v;
  }, view);
const text = (page, topic, cell) => row(page, topic).locator(cell).innerText();

export async function values({ browser, hub, peer }) {
  await peer.pub("values/temp", { u: "Cel", v: 21.5 });
  const page = await open(browser, hub);
  await filter(page, "values");
  await until("the value appears", async () => (await text(page, "values/temp", ".c1")).replace(/\s/g, "") === "21.5°C");
  await peer.pub("values/temp", { u: "Cel", v: 22.75 });
  await until("it follows", async () => (await text(page, "values/temp", ".v")) === "22.75");
  await peer.pub("values/new", "hello");
  await until("a new topic appears", async () => (await text(page, "values/new", ".v")) === "hello");
  await filter(page, "values temp");
  await until("the filter narrows", async () => (await page.locator(".space .row:not([hidden]):not(.folder)").count()) === 1);
  await peer.ask({ op: "delete", topic: "values/new" });
  await filter(page, "values");
  await until("a deleted topic goes", async () => (await row(page, "values/new").count()) === 0);
  await close(page);
}

// Pixels of the plot that are neither background nor grid: those near a colour.
export const painted = (page) =>
  page.evaluate(() => {
    const c = document.querySelector(".plot canvas"),
      seen = {};
    if (!c) return seen;
    const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
    for (let i = 0; i < d.length; i += 4) {
      if (d[i + 3] < 200) continue;
      const max = Math.max(d[i], d[i + 1], d[i + 2]),
        min = Math.min(d[i], d[i + 1], d[i + 2]);
      if (max - min < 60) continue;
      const hue = d[i] === max ? "red" : d[i + 1] === max ? "green" : "blue";
      seen[hue] = (seen[hue] || 0) + 1;
    }
    return seen;
  });

export async function plot({ browser, hub, peer }) {
  const page = await open(browser, hub, { kept: { span: 60 } }); // first: it takes its time, and readings leave the plot
  for (let i = 0; i < 40; i++) {
    await peer.pub("plot/temp", { u: "Cel", v: 20 + Math.sin(i / 5) * 3 });
    await peer.pub("plot/power", { u: "W", v: 400 + i * 10 });
    await sleep(15);
  }
  await filter(page, "plot/");
  await row(page, "plot/temp").click();
  await until("a line is drawn", async () => ((await painted(page)).green || 0) > 100);
  await row(page, "plot/power").click({ modifiers: ["Shift"] });
  await until("the second one too, with its own axis", async () => ((await painted(page)).blue || 0) > 60);
  let figures = [];
  await until("value, min, mean and max are right", async () => {
    figures = await page.locator(".figures tbody tr").allInnerTexts();
    return /°C\s+17\.\d+\s.*(23\.0|22\.9)\d/s.test(figures[0]) && /790 W\s+400\s+595\.0\s+790/.test(figures[1]);
  }).catch((e) => assert(false, e.message + ": " + figures.join(" | ")));
  const box = await page.locator(".plot .over").boundingBox();
  await page.mouse.move(box.x + box.width - 40, box.y + box.height / 2);
  await until("the read-out tells the time", async () => /\d\d:\d\d:\d\d/.test(await page.locator(".when").innerText()));
  await page.mouse.wheel(0, 200);
  await until("the wheel zooms", async () => (await page.evaluate(() => JSON.parse(localStorage.topicd).span)) > 60);
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width - 40, box.y + box.height / 2, { steps: 4 });
  await page.mouse.up();
  await until(
    "a drag pans and stops following",
    async () => (await page.locator(".follow").getAttribute("aria-pressed")) === "false",
  );
  await page.click(".follow");
  const [file] = await Promise.all([page.waitForEvent("download"), page.click("[aria-label='Save as CSV']")]);
  const csv = fs
    .readFileSync(await file.path(), "utf8")
    .trim()
    .split("\n");
  assert(
    csv.length > 70 && csv.some((l) => l.includes("plot/temp")) && csv.some((l) => l.includes("plot/power")),
    "CSV: " + csv.length + " lines, " + csv[0],
  );
  const end = await page.evaluate(() => Date.now() / 1000 - 10);
  await page.focus(".plot");
  for (let i = 0; i < 9; i++) await page.keyboard.press("ArrowLeft"); // out of the window
  const [older] = await Promise.all([page.waitForEvent("download"), page.click("[aria-label='Save as CSV']")]);
  const lines = fs.readFileSync(await older.path(), "utf8").trim().split("\n").slice(1);
  assert(
    lines.every((l) => Date.parse(l.split(",")[0]) / 1000 < end),
    "an older time is saved without what came since: " + lines.at(-1),
  );
  await page.reload();
  await until("the layout is kept", async () => (await page.locator(".figures tbody tr").count()) === 2);
  await close(page);
}

// Ten readings a second of eight topics for an hour: drawn by as many lines as there
// are pixels, and none of its peaks is lost.
export async function dense({ browser, hub }) {
  const page = await open(browser, hub);
  const told = await page.evaluate(async () => {
    const { Plot } = await import("/static/plot.js"),
      { Series } = await import("/static/series.js"),
      { look, colourOf } = await import("/static/look.js");
    const box = document.createElement("div");
    Object.assign(box.style, { position: "fixed", inset: "0 auto auto 0", width: "1000px", height: "400px" });
    document.body.append(box);
    const n = 30000,
      end = Date.now(),
      all = [];
    for (let k = 0; k < 8; k++) {
      const s = new Series("dense/" + k, "", "Cel");
      for (let i = 0; i < n; i++) s.add(i + 1, end - (n - i) * 100, i === n / 2 && !k ? 90 : 20 + k + Math.sin(i / 400), true);
      s.colour = colourOf(k, true);
      all.push(s);
    }
    const plot = new Plot(box, { now: () => end }, {});
    plot.span = n / 10;
    const times = [],
      { prototype } = CanvasRenderingContext2D,
      { lineTo } = prototype;
    let drawn = 0;
    prototype.lineTo = function (x, y) {
      drawn++;
      lineTo.call(this, x, y);
    };
    for (let i = 0; i < 11; i++) {
      const at = performance.now();
      plot.span -= 1; // anew
      plot.paint(all, look(true));
      plot.canvas.getContext("2d").getImageData(0, 0, 1, 1); // drawn, not only told
      times.push(performance.now() - at);
    }
    const { data, width, height } = plot.canvas.getContext("2d").getImageData(0, 0, plot.canvas.width, plot.canvas.height);
    let peak = 0;
    for (let y = 0; y < height / 3; y++)
      for (let x = width / 4; x < (width * 3) / 4; x++) if (data[(y * width + (x | 0)) * 4 + 1] > 180) peak++;
    box.remove();
    prototype.lineTo = lineTo;
    return { ms: times.sort((a, b) => a - b)[5], peak, lines: drawn / times.length };
  });
  assert(told.peak > 20, "one reading among 30,000 is seen: " + told.peak);
  assert(told.lines > 8000 && told.lines < 40000, "8 topics on 1,000 pixels are drawn by " + told.lines + " lines");
  await close(page);
  return told.ms.toFixed(1) + " ms for 240,000 points";
}

// What has left a topic's readings is drawn from its minutes, and the plot says where they begin.
export async function minutes({ browser, hub, peer }) {
  await peer.ask({ op: "make", topic: "old/temp", opts: { cap: 4096 } });
  for (let i = 0; i < 400; i++) await peer.pub("old/temp", { u: "Cel", v: i ? 20 + (i % 7) / 10 : -40 });
  const page = await open(browser, hub, { path: "#topics?plot=old/temp" });
  const figure = (n) => page.locator(".figures tbody tr td").nth(n).textContent();
  await until("the least of what has left is a figure", async () => (await page.locator(".figures tbody tr").count()) && (await figure(1)) === "-40.0");
  await until("the plot says where history begins", async () => /History begins \d\d:\d\d/.test(await page.locator(".pane .begins").textContent()));
  const told = await page.evaluate(async () => {
    const { History, beginning, piecesOf, statsOf, valueAt } = await import("/static/history.js"),
      { Series } = await import("/static/series.js");
    let asked;
    const rows = [1000, 1060, 1120, 2000, 500, 560].map((t, i) => ({ topic: "x", ts: t * 1000, data: [t * 1000, i, i + 1, i + 2, 60] }));
    const link = { state: "live", request: async (m) => ((asked = m), { data: rows }) };
    const s = new Series("x", "", "");
    s.past = new History({ link, dirty() {} }, "x");
    s.past.ask(86400);
    s.past.ask(3600); // one at a time
    await new Promise((r) => setTimeout(r, 10));
    s.add(7, 800000, 10, false); // the clock was set back, and readings go on there
    s.add(8, 801000, 12, true);
    return {
      asked,
      pieces: piecesOf(s, 0, 3000).map((p) => p[0]),
      stats: statsOf(s, 0, 3000),
      begin: beginning([s]),
      at: [valueAt(s, 570), valueAt(s, 800.5)],
    };
  });
  assert(told.asked.opts.step === 216000 && told.asked.opts.since === -103680, "asked for " + JSON.stringify(told.asked));
  assert(told.begin === 500 && told.at[1] === 10, "begins at " + told.begin + ", at " + told.at);
  assert(told.stats.n === 122 && told.stats.min === 4 && told.stats.max === 12, JSON.stringify(told.stats));
  await close(page);
}

// Names and payloads of people who mean harm.
export const hostile = [
  ["<img src=x onerror=window.pwned=1>", '<img src=x onerror="window.pwned=1">'],
  ["h/<script>window.pwned=1<", "</script><script>window.pwned=1</script>"],
  [
    'h/"><svg onload=window.pwned=1>',
    { '"><svg onload=window.pwned=1>': "<b>x</b>", v: 1, u: "<img src=x onerror=window.pwned=1>", n: "<i>" },
  ],
  ["h/javascript:window.pwned=1", "javascript:window.pwned=1"],
  ["h/\u202etxt.exe\u202d", "\u202e\u2066reversed\u2067"],
  ["h/__proto__", { __proto__x: 1, constructor: { prototype: { pwned: 1 } } }],
  ["h/constructor", JSON.parse('{"__proto__":{"pwned":1},"u":"constructor","v":3}')],
  ["h/" + "x".repeat(126), "y".repeat(64500)],
  ["h/{{7*7}}${7*7}", { user: "<u>", text: "{{constructor.constructor('window.pwned=1')()}}" }],
  ["h/zalgo", "Z\u0341\u0353a\u0300\u0301\u0302".repeat(300)],
  ["h/deep", [[[[[[[[[[1]]]]]]]]]]],
  ["h/numbers", [1e308, -1e308, 5e-324, 12345678901234567890]],
];

export async function inert({ browser, hub, peer }) {
  const page = await open(browser, hub);
  await go(page, "chat");
  await go(page, "log");
  for (const [topic, data] of hostile) await peer.pub(topic, data);
  await peer.pub("chat", { user: "<img src=x onerror=window.pwned=1>", text: "<script>window.pwned=1</script>" });
  const dev = await Peer.open(hub.ws);
  await dev.ask({ op: "hello", opts: { dev: "<img src=x onerror=window.pwned=1>" } });
  for (const view of views) {
    await go(page, view);
    await sleep(250);
    if (view === "topics") {
      await filter(page, "h/");
      await until("the name is shown as it is", async () => (await page.locator(".name").allInnerTexts()).some((n) => n.includes("<script>")));
      for (const [topic] of hostile.slice(1)) {
        const r = row(page, topic);
        if (!(await r.count())) continue;
        await r.first().click();
        await sleep(30);
      }
    }
    const bad = await page.evaluate(() => [
      window.pwned,
      {}.pwned,
      document.querySelectorAll("main img, main script, main iframe, main b, main [onerror], main [onload]").length,
    ]);
    assert(bad[0] === undefined && bad[1] === undefined && bad[2] === 0, view + ": " + JSON.stringify(bad));
    assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), view + " scrolls sideways");
  }
  dev.close();
  await close(page);
  for (const [topic] of hostile) await peer.ask({ op: "delete", topic });
}

export async function heals({ browser, binary }) {
  const hub = await new Hub(binary, "--sense=off").start();
  try {
    let peer = await Peer.open(hub.ws);
    for (let i = 0; i < 5; i++) await peer.pub("heal/a", i);
    const page = await open(browser, hub, { kept: { span: 900 } });
    await row(page, "heal/a").click();
    await until("it is plotted", () => page.locator(".figures tbody tr").count());
    await hub.stop();
    await page.waitForSelector("#state.lost");
    await until("it says so", async () => /retry|reconnect/i.test(await page.locator("#state").innerText()));
    await until("and what that means", async () => (await page.locator("#notice").innerText()).includes("The hub is not reached."));
    await until("what was known stays", async () => (await text(page, "heal/a", ".v")) === "4");
    await hub.start();
    await live(page);
    await until("the notice goes", async () => (await page.locator("#notice").innerText()) === "");
    peer = await Peer.open(hub.ws);
    for (let i = 0; i < 3; i++) await peer.pub("heal/a", 90 + i);
    await until("new values come, under new numbers", async () => (await text(page, "heal/a", ".v")) === "92");
    await until("the plot goes on", async () => (await page.locator(".figures tbody td").first().innerText()) === "92");
    assert((await page.locator(".figures tbody td").nth(1).innerText()) === "0", "and keeps what it had");
    peer.close();
    await close(page);
  } finally {
    await hub.end();
  }
}

// A connection that is lost while readings go on: they are in the plot afterwards.
export async function resumes({ browser, hub, peer }) {
  await peer.pub("resume/a", 1);
  await peer.pub("resume/a", 2);
  const page = await open(browser, hub, { kept: { span: 900 } });
  await filter(page, "resume");
  await row(page, "resume/a").click();
  await page.waitForSelector(".figures tbody tr");
  const clients = async () =>
    (await (await fetch(hub.url + "api/clients", { headers: { Authorization: "Bearer " + hub.admin } })).json()).clients;
  const name = await page.evaluate(() => JSON.parse(localStorage.topicd).name),
    mine = (await clients()).find((c) => c.client === name);
  const lost = await losing(page);
  await fetch(hub.url + "api/clients/" + mine.id, { method: "DELETE", headers: { Authorization: "Bearer " + hub.admin } });
  await lost();
  for (const v of [3, 999, 4]) await peer.pub("resume/a", v);
  await live(page);
  await until("what was missed is drawn", async () => (await page.locator(".figures tbody td").nth(3).innerText()) === "999");
  await until("and the newest is shown", async () => (await text(page, "resume/a", ".v")) === "4");
  await close(page);
}

export async function busy({ browser, binary, seconds }) {
  const hub = await new Hub(binary, "--sense=off").start();
  const feed = await load(hub.ws, 1000, 10);
  try {
    const page = await open(browser, hub, { width: 1440, height: 900 });
    await sleep(1500);
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
    const figures = async () => {
      const { metrics } = await cdp.send("Performance.getMetrics");
      return Object.fromEntries(metrics.map((m) => [m.name, m.value]));
    };
    const heap = async () => {
      await cdp.send("HeapProfiler.collectGarbage");
      return (await figures()).JSHeapUsedSize;
    };
    const before = await heap(),
      a = await figures(),
      at = performance.now();
    let frames = 0;
    await page.evaluate(() => {
      window.n = 0;
      const f = () => {
        window.n++;
        requestAnimationFrame(f);
      };
      f();
    });
    await sleep(seconds * 500);
    await page.mouse.move(400, 500);
    for (let i = 0; i < 10; i++) {
      await page.mouse.wheel(0, 300);
      await sleep(seconds * 50);
    }
    frames = await page.evaluate(() => window.n);
    const b = await figures(),
      took = (performance.now() - at) / 1000,
      after = await heap();
    const share = (b.TaskDuration - a.TaskDuration) / took;
    let rate;
    await until("the page counts what comes", async () => {
      const n = feed.sent(),
        from = performance.now();
      await sleep(1000); // of what this process gets out where it has to share the machine
      rate = await page.locator("#flow").innerText();
      return Number(rate.replace(/[^\d.]/g, "")) > ((feed.sent() - n) / (performance.now() - from)) * 500;
    });
    const told = `main thread ${(share * 100).toFixed(0)} % busy, ${(frames / took).toFixed(0)} frames/s, heap ${(before / 1e6).toFixed(1)} → ${(after / 1e6).toFixed(1)} MB, ${rate}, ${took.toFixed(0)} s`;
    assert(share < 0.5, told);
    assert(after < before * 1.25 + 2e6, told);
    await close(page);
    return told;
  } finally {
    feed.close();
    await hub.end();
  }
}

export async function phones({ browser, hub }) {
  await fetch(hub.url + "api/tokens", {
    method: "POST",
    headers: { Authorization: "Bearer " + hub.admin, "Content-Type": "application/json" },
    body: JSON.stringify({ name: "n".repeat(60), publish: ["greenhouse/+/temp", "boat/#"], subscribe: ["greenhouse/#"] }),
  });
  for (const [width, height] of [
    [390, 844],
    [360, 640],
  ]) {
    const page = await open(browser, hub, { width, height, phone: true, token: hub.admin });
    for (const view of views) {
      await go(page, view);
      await sleep(150);
      const w = await page.evaluate(() => 
        Math.max(...[document.documentElement, document.body, document.querySelector(".view")].map((e) => e.scrollWidth)),
      );
      assert(w <= width, `${view} is ${w} wide on ${width}`);
    }
    await go(page, "topics");
    await filter(page, "greenhouse");
    await row(page, "greenhouse/1/temp").tap();
    await page.waitForSelector(".pane:visible");
    assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the plot is too wide");
    await page.tap("[aria-label='Close the plot']");
    await page.waitForSelector(".tree:visible");
    await close(page);
  }
}

export async function accessible({ browser, hub }) {
  const found = [];
  for (const [dark, phone] of [
    [true, false],
    [false, false],
    [true, true],
    [false, true],
  ]) {
    const size = phone ? { width: 390, height: 844, phone } : {};
    const page = await open(browser, hub, { dark, token: hub.admin, ...size });
    await page.evaluate(axeSource);
    const run = async (where) => {
      const v = await page.evaluate(async () =>
        (
          await window.axe.run(document, {
            resultTypes: ["violations"],
            runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
          })
        ).violations.map((v) => [v.impact, v.id, v.nodes[0].target.join(" "), v.nodes[0].failureSummary, v.nodes.length]),
      );
      for (const x of v)
        if (x[0] === "serious" || x[0] === "critical") found.push(`${dark ? "dark" : "light"} ${phone ? "phone " : ""}${where}: ${x.join(" | ")}`);
    };
    await run("all topics");
    await filter(page, "greenhouse");
    await row(page, "greenhouse/1/temp").click();
    await sleep(300);
    await run("plot");
    for (const view of views) {
      await go(page, view);
      await sleep(350);
      await run(view);
    }
    for (const what of ["Settings", "Limits of greenhouse/1/temp", "From … to …"]) {
      if (what !== "Settings") await go(page, "topics?plot=greenhouse/1/temp&span=300");
      await page.click(`[aria-label='${what}']`);
      await page.waitForSelector("dialog[open]");
      await run("dialog " + what);
      await page.keyboard.press("Escape");
      await page.waitForSelector("dialog", { state: "detached" });
    }
    await go(page, "wall?tile=greenhouse/1/temp&plot=greenhouse/1/temp&limit=greenhouse/1/temp:0:1&kiosk");
    await page.waitForSelector(".tile.beyond");
    await run("a wall alone");
    await go(page, "wall");
    for (const key of ["?", "p"]) {
      await page.keyboard.press(key);
      await page.waitForSelector("dialog[open]");
      await run("dialog " + key);
      await page.keyboard.press("Escape");
      await page.waitForSelector("dialog", { state: "detached" });
    }
    await close(page);
  }
  assert(found.length === 0, found.join("\n"));
}

export async function keyboard({ browser, hub, peer }) {
  await peer.pub("keys/a", 1);
  await peer.pub("keys/b", 2);
  const page = await open(browser, hub);
  const press = (...keys) => keys.reduce((p, k) => p.then(() => page.keyboard.press(k)), Promise.resolve());
  await press("/");
  await page.keyboard.type("keys");
  await until("the filter has it", async () => (await page.locator(".space .row:not([hidden])").count()) === 3);
  await row(page, "keys/b").waitFor();
  await press("ArrowDown");
  assert(await page.evaluate(() => document.activeElement.getAttribute("role") === "treegrid"), "Down goes to what was found");
  await press("/", "Enter");
  await until("Enter opens the first", async () => (await page.locator(".figures").innerText()).includes("keys/a"));
  await press("Escape");
  await page.waitForSelector(".pane", { state: "hidden" });
  for (let i = 0; i < 12 && !(await page.evaluate(() => document.activeElement.getAttribute("role") === "treegrid")); i++)
    await press("Tab");
  await press("Home", "ArrowDown", "Enter");
  await until("Enter plots", async () => (await page.locator(".figures tbody tr").count()) === 1);
  await press("j", " ");
  await until("Space adds", async () => (await page.locator(".figures tbody tr").count()) === 2);
  await press("Escape");
  await page.waitForSelector(".pane", { state: "hidden" });
  await press("p");
  await page.waitForSelector("dialog[open]");
  await page.fill("dialog input[list]", "keys/c");
  await page.fill("dialog textarea", "3.25");
  await press("Control+Enter");
  await until("it is sent", async () => (await page.locator(".outcome").innerText()).startsWith("Sent"));
  await press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  await until("and there", async () => (await text(page, "keys/c", ".v")) === "3.25");
  await press("3");
  await page.waitForSelector(".view.log");
  await press("1", "t");
  assert((await page.evaluate(() => document.documentElement.dataset.theme)) === "light", "t switches");
  await close(page);
}
