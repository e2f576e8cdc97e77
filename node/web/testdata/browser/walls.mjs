// Tiles and walls: what a tablet that hangs somewhere relies on.

import fs from "node:fs";
import net from "node:net";
import { assert, close, filter, live, open, row, sleep, until } from "./stage.mjs";

const tile = (page, topic) => page.locator(`.tile:has(a[title="${topic}"])`);
const hash = (page) => page.evaluate(() => decodeURIComponent(location.hash));

// Who has pinned nothing sees tiles of what there is; a pin makes the row one's own.
export async function pins({ browser, hub, peer }) {
  for (const v of [20, 21.25]) await peer.pub("pins/temp", { u: "Cel", v });
  for (const v of [3, 5]) await peer.pub("pins/count", v);
  await peer.pub("pins/door", "open");
  await peer.pub("pins/on", true);
  const page = await open(browser, hub);
  await until("tiles are chosen", async () => (await page.locator(".topics .tile").count()) === 8);
  const units = async () => new Set(await page.locator(".topics .tile small").allInnerTexts()).size;
  await until("they are of several units", async () => (await units()) > 4); // others come while topics do
  await filter(page, "pins/");
  await row(page, "pins/temp").evaluate((r) => {
    document.getElementById("filter").dispatchEvent(new Event("input"));
    r.click();
  });
  await until("a click counts while the rows are made anew", async () => (await page.locator(".pane h2").innerText()) === "pins/temp");
  for (const name of ["temp", "count", "door", "on"]) {
    await row(page, "pins/" + name).click({ position: { x: 60, y: 12 } });
    await page.click("[aria-label='Pin as a tile']");
    await tile(page, "pins/" + name).waitFor();
  }
  assert((await page.locator(".topics .tile").count()) === 4, "what was chosen for nobody makes room");
  const value = async (name) => (await tile(page, "pins/" + name).locator(".tile-value").innerText()).replace(/\s/g, "");
  for (const [name, want] of Object.entries({ temp: "21.25°C", count: "5", door: "open", on: "true" }))
    await until(name + " is " + want, async () => (await value(name)) === want);
  await peer.pub("pins/count", 12345678);
  await until("it follows, and a whole number is whole", async () => (await value("count")) === "12,345,678");
  await page.click("[aria-label='Pin as a tile']"); // of pins/on, which is plotted
  await until("a second press takes it off", async () => (await page.locator(".topics .tile").count()) === 3);
  await tile(page, "pins/temp").locator("a").click();
  await until("a tile leads to its plot, which has an address", async () => /^#topics\?plot=pins\/temp/.test(await hash(page)));
  await page.goBack();
  await until("and Back leads back", async () => (await page.locator(".pane h2").innerText()) === "pins/on");
  await page.reload();
  await live(page);
  await until("the row is kept", async () => (await page.locator(".topics .tile").count()) === 3);
  await close(page);
}

// A wall is made, and opened elsewhere by its address alone: whole, and without anything around it.
export async function wall({ browser, hub, peer }) {
  for (let i = 0; i < 20; i++) {
    await peer.pub("wall/a", { u: "Cel", v: 20 + i / 10 });
    await peer.pub("wall/b", { u: "V", v: 12 + (i % 3) });
  }
  const page = await open(browser, hub, { kept: { span: 60 } });
  await page.click("#tabs [data-view=wall]");
  await until("there is one that nobody made", async () => (await page.locator(".chart canvas").count()) > 1);
  await filterAndPlot(page);
  await page.click("[aria-label='Put this plot on the wall']");
  await page.click("#tabs [data-view=wall]");
  await until("a plot of two topics hangs there", async () => /wall\/a 21\.9 °C\s*wall\/b 13 V/.test((await page.locator(".chart").allInnerTexts()).join()));
  await page.click("[aria-label='Add to the wall']");
  await page.fill("dialog input", "wall/a");
  await page.click("dialog button.primary");
  await tile(page, "wall/a").waitFor();
  await page.click(".wallview >> text=1 h");
  const want = "#wall?plot=wall/a+wall/b&tile=wall/a&span=3600";
  await until("all of it is in the address", async () => (await hash(page)) === want).catch(async () => assert(false, await hash(page)));
  await page.click(".wallview >> text=Edit");
  await page.click("[aria-label='Take wall/a off the wall']");
  await until("it is edited", async () => (await page.locator(".wallview .tile").count()) === 0);
  await page.reload();
  await live(page);
  await until("and kept", async () => (await page.locator(".wallview .tile").count()) === 0 && (await page.locator(".chart").count()) === 1);
  await close(page);
  const path = "#wall?tile=wall/a&plot=wall/a+wall/b&span=300&limit=wall/a:18:20&kiosk";
  const tablet = await open(browser, hub, { path, width: 1280, height: 720, waits: false });
  await until("a tile and a plot are there", async () => (await tablet.locator(".tile").count()) === 1 && (await tablet.locator(".chart").count()) === 1);
  assert(!(await tablet.locator(".top").isVisible()), "and nothing else");
  await tablet.waitForSelector(".tile.beyond >> text=above 20 °C");
  const { scroll, high } = await tablet.evaluate(() => ({ scroll: document.querySelector(".field-of").scrollHeight, high: innerHeight }));
  assert(scroll <= high, "it fits: " + scroll);
  await peer.pub("wall/a", { u: "Cel", v: 19.5 });
  await until("within its limits it is as the others", async () => (await tablet.locator(".tile.beyond").count()) === 0);
  await tablet.mouse.move(300, 300);
  await tablet.click("[aria-label='Leave full screen']");
  await tablet.waitForSelector(".top");
  assert(!(await hash(tablet)).includes("kiosk"), "the address says so");
  assert((await tablet.evaluate(() => JSON.parse(localStorage.topicd).limits)) === undefined, "what the address brought is not kept");
  await close(tablet);
}

async function filterAndPlot(page) {
  await page.click("#tabs [data-view=topics]");
  await filter(page, "wall/");
  await row(page, "wall/a").click({ position: { x: 60, y: 12 } });
  await row(page, "wall/b").click({ position: { x: 60, y: 12 }, modifiers: ["Shift"] });
  await sleep(200);
}

// Limits are set where a topic is plotted; they are drawn, counted, and seen in the tree and on tiles.
export async function limits({ browser, hub, peer, folder }) {
  const page = await open(browser, hub, { kept: { span: 900 } });
  for (const v of [20, 31, 20, 32, 33, 21]) {
    await peer.pub("limits/temp", { u: "Cel", v });
    await sleep(100);
  }
  await filter(page, "limits/");
  await row(page, "limits/temp").click({ position: { x: 60, y: 12 } });
  await page.click("[aria-label='Limits of limits/temp']");
  await page.fill("dialog input >> nth=0", "40");
  await page.fill("dialog input >> nth=1", "30");
  await page.click("dialog button.primary");
  await page.waitForSelector("dialog >> text=must lie below");
  await page.fill("dialog input >> nth=0", "");
  await page.click("dialog button.primary");
  await page.waitForSelector("dialog", { state: "detached" });
  const over = () => page.locator(".figures .over").innerText();
  await until("crossings are counted", async () => /^2 × beyond, (\d+|< 1) % of the time$/.test(await over()));
  assert((await row(page, "limits/temp").getAttribute("class")).includes("beyond") === false, "it is within them now");
  await peer.pub("limits/temp", { u: "Cel", v: 30.5 });
  await until("the tree shows it", async () => (await row(page, "limits/temp").getAttribute("class")).includes("beyond"));
  await until("and it is counted", async () => (await over()).startsWith("3 ×"));
  await page.click("[aria-label='Settings']");
  await page.selectOption("dialog .field:has(label:text-is('Temperature')) select", "°F");
  await page.keyboard.press("Escape");
  await until("in other units", async () => /86\.9 °F/.test(await page.locator(".figures tbody td").first().innerText()));
  assert((await row(page, "limits/temp").locator(".u").innerText()) === "°F", "everywhere");
  await page.click("[aria-label='Limits of limits/temp']");
  assert((await page.inputValue("dialog input >> nth=1")) === "86", "limits too");
  await page.fill("dialog input >> nth=1", "");
  await page.click("dialog button.primary");
  await until("without a field there is none", async () => (await over()) === "");
  await close(page);
}

// From when to when; as a picture; as a German spreadsheet reads it.
export async function files({ browser, hub, peer, folder }) {
  for (const v of [1.5, 2.25]) await peer.pub("files/a", { u: "V", v });
  const page = await open(browser, hub, { kept: { span: 900, csv: "comma" } });
  await filter(page, "files/");
  await row(page, "files/a").click({ position: { x: 60, y: 12 } });
  const saved = async (what) => {
    const [file] = await Promise.all([page.waitForEvent("download"), page.click(`[aria-label='${what}']`)]);
    return { name: file.suggestedFilename(), bytes: fs.readFileSync(await file.path()) };
  };
  const stored = (await saved("Save as CSV")).bytes.toString();
  assert(stored.startsWith("\ufefftime;ts;topic;") && /files\/a;2;2,25;V;/.test(stored), stored);
  await page.click("[aria-label='From … to …']");
  const now = await page.inputValue("dialog input >> nth=1");
  await page.fill("dialog input >> nth=0", "2031-01-01T00:00:01");
  await page.click("dialog button.primary");
  await page.waitForSelector("dialog >> text=must lie before");
  await page.fill("dialog input >> nth=0", now.slice(0, 10) + "T00:00:01");
  await page.fill("dialog input >> nth=1", now.slice(0, 10) + "T00:00:03");
  await page.click("dialog button.primary");
  await until("another time is shown", async () => (await page.locator(".when").innerText()).includes("00:00:03"));
  const to = await page.locator(".plot").getAttribute("data-to");
  await until("and in the address", async () => (await page.evaluate(() => location.hash)).endsWith("&to=" + Date.parse(to)));
  await page.reload();
  await until("which brings it back", async () => (await page.locator(".plot").getAttribute("data-to")) === to);
  await page.click(".follow");
  const { name, bytes } = await saved("Save as a picture");
  assert(name === "files-a.png" && bytes.subarray(1, 4).toString() === "PNG" && bytes.length > 4000, name + ", " + bytes.length);
  fs.writeFileSync(folder + "/saved.png", bytes);
  await close(page);
}

// The network goes and comes back, as when a tablet sleeps: the page is there again
// long before it would have missed the hub (20 s).
export async function wakes({ browser, hub, peer }) {
  const sockets = new Set();
  const relay = net.createServer((down) => {
    const up = net.connect(Number(hub.addr.split(":")[1]), "127.0.0.1");
    for (const s of [down, up]) (sockets.add(s), s.on("error", () => {}), s.on("close", () => (up.destroy(), down.destroy())));
    down.pipe(up).pipe(down);
  });
  await new Promise((done) => relay.listen(0, "127.0.0.1", done));
  const took = [];
  try {
    const page = await open(browser, { ...hub, url: `http://127.0.0.1:${relay.address().port}/`, addr: hub.addr });
    await peer.pub("wake/a", 1);
    await filter(page, "wake/");
    await row(page, "wake/a").waitFor();
    await page.evaluate(() => {
      const { close } = WebSocket.prototype;
      WebSocket.prototype.close = function (...args) {
        window.missed ||= args[0] === 4000; // the hub was not heard for 20 s
        close.apply(this, args);
      };
    });
    for (const event of ["online", "visibilitychange"]) {
      for (const s of sockets) (s.unpipe(), s.pause(), s.removeAllListeners("close")); // nothing is heard any more, and nobody told
      await sleep(1200);
      await peer.pub("wake/a", event);
      const at = Date.now();
      await page.evaluate((e) => (e === "online" ? window : document).dispatchEvent(new Event(e)), event);
      await until("what came meanwhile is there", async () => (await row(page, "wake/a").locator(".v").innerText()) === event);
      took.push(Date.now() - at);
      assert(!(await page.evaluate(() => window.missed)), "it did not wait until it missed the hub"); // after 20 s
    }
    await close(page);
  } finally {
    for (const s of sockets) s.destroy();
    relay.close();
  }
  return took.join(", ") + " ms";
}

// A file that is lost on its way leaves no blank page.
export async function lost({ browser, hub }) {
  let n = 0;
  const page = await open(browser, hub, { ready: (p) => p.route("**/static/plot.js", (r) => (n++ ? r.continue() : r.abort())) });
  assert(n === 2, "it was asked for " + n + " times");
  page.faults = page.faults.filter((f) => !f.includes("ERR_FAILED"));
  await close(page);
}

// The page is an app to a browser, and something is seen of it at once.
export async function app({ browser, hub }) {
  const page = await open(browser, hub),
    cdp = await page.context().newCDPSession(page);
  const { manifest, errors } = await cdp.send("Page.getAppManifest");
  const { installabilityErrors } = await cdp.send("Page.getInstallabilityErrors");
  const reasons = installabilityErrors.map((e) => e.errorId).filter((e) => e !== "in-incognito"); // as all pages of these tests
  assert(manifest && !errors.length && !reasons.length, JSON.stringify({ errors, reasons }));
  const times = [];
  for (let i = 0; i < 5; i++) {
    await page.reload();
    await live(page);
    await page.waitForSelector(".topics .tile, .space .row:not([hidden])");
    times.push(
      await page.evaluate(async () => {
        const there = performance.now(),
          first = await new Promise((done) =>
            new PerformanceObserver((list) => list.getEntriesByName("first-contentful-paint").forEach(done)).observe({ type: "paint", buffered: true }),
          ); // is told after the page is painted
        return [first.startTime, there];
      }),
    );
  }
  times.sort((a, b) => a[0] - b[0]);
  const told = `first paint ${times.map((t) => t[0].toFixed(0)).join(", ")} ms, topics ${Math.min(...times.map((t) => t[1])).toFixed(0)} ms`;
  await close(page);
  return told; // beside all other tests; CHECK=cost measures
}

// Every text is in the table, with its values in every language.
export async function texts() {
  const folder = new URL("../../static/", import.meta.url),
    { words } = await import("../../static/words.js"),
    { languages } = await import("../../static/lang.js"),
    columns = Object.keys(languages).length,
    rows = new Map(words.map((r) => [r[0], r])),
    wanted = new Set(),
    literal = /"((?:[^"\\]|\\.)*)"/g;
  assert(rows.size === words.length, "a text stands twice");
  for (const row of words) {
    assert(row.length === columns && row.every(Boolean), row[0] + " lacks a language");
    const values = (t) => (t.match(/\{\d\}/g) || []).sort().join();
    for (const t of row) assert(values(t) === values(row[0]), t + " has other values than " + row[0]);
  }
  for (const file of fs.readdirSync(folder).filter((f) => f.endsWith(".js") && f !== "words.js")) {
    const text = fs.readFileSync(new URL(file, folder), "utf8");
    // The first argument of tr(), to its comma or bracket.
    for (const m of text.matchAll(/\btr\(((?:"(?:[^"\\]|\\.)*"|\([^()]*\)|[^",()])*)/g))
      for (const [, key] of m[1].matchAll(literal)) if (!["is ", "f"].includes(key)) wanted.add(key);
    for (const m of text.matchAll(/\bheads\(([^)]*)\)/g)) for (const [, key] of m[1].matchAll(literal)) wanted.add(key.replace(/^-/, ""));
    for (const m of text.matchAll(/\bk\("[^"]*", "([^"]*)"\)|\bpair\("([^"]*)"/g)) wanted.add(m[1] ?? m[2]);
  }
  const missing = [...wanted].filter((k) => k && !rows.has(JSON.parse('"' + k + '"')));
  assert(!missing.length, "words.js lacks: " + missing.join(" | "));
  return wanted.size + " texts in " + columns + " languages";
}

// The page speaks the browser's language, and is no wider for it.
export async function languages({ browser, hub, peer, folder }) {
  await peer.pub("lang/a", { u: "W", v: 12345.5 });
  const said = { de: ["Themen", "Tafel", "12.345,5"], es: ["Temas", "Panel", "12.345,5"], fr: ["Sujets", "Tableau", "12\u202f345,5"], zh: ["主题", "看板", "12,345.5"] };
  for (const [code, [topics, wall, number]] of Object.entries(said)) {
    const page = await open(browser, hub, { width: 390, height: 844, phone: true, locale: code, token: hub.admin });
    assert((await page.evaluate(() => document.documentElement.lang)) === code, code);
    const tabs = await page.locator("#tabs a").allInnerTexts();
    assert(tabs[0] === topics && tabs[1] === wall, tabs.join());
    await filter(page, "lang/");
    await until("numbers are as in " + code, async () => (await row(page, "lang/a").locator(".v").innerText()) === number);
    for (const id of ["topics", "wall", "log", "chat", "clients", "memory", "hub"]) {
      await page.click(`#tabs [data-view=${id}]`);
      await sleep(120);
      const wide = await page.evaluate(() => Math.max(...[document.body, document.querySelector(".view")].map((e) => e.scrollWidth)));
      assert(wide <= 390, `${id} is ${wide} wide in ${code}`);
    }
    await page.screenshot({ path: `${folder}/phone-${code}.png` });
    await close(page);
  }
  const page = await open(browser, hub, { locale: "de-CH" });
  await page.click("[aria-label='Einstellungen']");
  await page.selectOption("dialog select >> nth=0", "fr");
  await page.waitForSelector("#tabs >> text=Tableau");
  await close(page);
}
