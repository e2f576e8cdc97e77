// What a person does: topics made and deleted, patterns subscribed to, tokens,
// listeners, broadcasts, chat.

import WebSocket from "ws";
import { assert, close, filter, Hub, open, Peer, row, told, until } from "./stage.mjs";

const go = (page, view) =>
  page.evaluate((v) => {
    location.hash = v;
  }, view);

export async function topics({ browser, hub, peer }) {
  const page = await open(browser, hub);
  await filter(page, "deeds");
  await page.click("[aria-label='New topic']");
  await page.fill("dialog input[maxlength]", "deeds/made");
  await page.fill("dialog input[type=number] >> nth=0", "128");
  await page.fill("dialog input[type=number] >> nth=1", "1");
  await page.click("dialog button.primary");
  await row(page, "deeds/made").waitFor();
  await row(page, "deeds/made").click();
  await until(
    "it is static, with its cap",
    async () =>
      /static/.test(await page.locator(".detail").innerText()) && /128 KiB/.test(await page.locator(".detail").innerText()),
  );
  await peer.pub("deeds/made", 1);
  await until("a second later it is overdue", async () => (await row(page, "deeds/made").locator(".dot.stale").count()) === 1);
  await page.click("text=Late");
  await until("and stays when only the late are shown", () => row(page, "deeds/made").count());
  await page.click(".detail >> text=Delete");
  await page.click("dialog button.danger");
  await until("it is gone", async () => (await row(page, "deeds/made").count()) === 0);
  await close(page);
}

export async function log({ browser, hub, peer }) {
  const page = await open(browser, hub);
  await go(page, "log");
  const lines = (what) => page.locator(".lines li", { hasText: what });
  await page.click("[aria-label='Unsubscribe from #']");
  await page.fill("[aria-label='Pattern to subscribe to']", "deeds/log/+");
  await page.click("button:text-is('Subscribe')");
  await page.waitForSelector(".chips >> text=deeds/log/+");
  await page.click("text=Clear");
  for (let i = 0; i < 5; i++) await peer.pub("deeds/log/a", "line " + i);
  await lines("line 4").waitFor();
  assert((await lines("greenhouse/1").count()) === 0, "and nothing that was not subscribed to");
  assert(/^\d\d:\d\d:\d\d\.\d{3}/.test(await lines("line 4").innerText()), "with its time");
  const dev = await Peer.open(hub.ws);
  await dev.ask({ op: "hello", opts: { dev: "deeds-board" } });
  await lines("is online").filter({ hasText: "deeds-board" }).waitFor();
  dev.close();
  await lines("is offline").filter({ hasText: "deeds-board" }).waitFor();
  await page.fill("[aria-label='Filter the log']", "line 4");
  await until("the filter leaves one", async () => (await page.locator(".lines li").count()) === 1);
  await page.fill("[aria-label='Filter the log']", "");
  await page.click("text=Pause");
  await peer.pub("deeds/log/a", "while paused");
  await page.click("text=Pause");
  await lines("while paused").waitFor();
  await page.fill("[aria-label='Pattern to subscribe to']", "no/#/pattern");
  await page.click("button:text-is('Subscribe')");
  await told(page, "bad: ");
  await close(page);
}

// Nobody looks: nothing but what plots want is sent, and all of it is there again afterwards.
export async function away({ browser, binary }) {
  const hub = await new Hub(binary, "--sense=off").start(); // with few topics: what is on the screen is not asked for faster
  try {
    const peer = await Peer.open(hub.ws);
    await peer.pub("away/a", 1);
    const page = await open(browser, hub, { path: "#topics?plot=away/a" }),
      name = await page.evaluate(() => JSON.parse(localStorage.topicd).name),
      headers = { Authorization: "Bearer " + hub.admin };
    const subs = async () => (await (await fetch(hub.url + "api/clients", { headers })).json()).clients.find((c) => c.client === name)?.subs;
    const look = (at) =>
      page.evaluate((at) => {
        Object.defineProperty(document, "hidden", { configurable: true, value: !at });
        document.dispatchEvent(new Event("visibilitychange"));
      }, at);
    await until("all, the hub's own and the plot's are subscribed to", async () => (await subs()) === 3);
    await look(false);
    await until("not all any more", async () => (await subs()) === 2);
    await peer.pub("away/b", 7);
    await look(true);
    await until("what came meanwhile is there", async () => (await row(page, "away/b").count()) && (await row(page, "away/b").locator(".v").innerText()) === "7");
    await until("and all is again", async () => (await subs()) === 3);
    await close(page);
    peer.close();
  } finally {
    await hub.end();
  }
}

// Where everybody needs a token: a form, a link that brings one, and no more than it allows.
export async function tokens({ browser, binary }) {
  const hub = await new Hub(binary, "--sense=off", "--access=join").start();
  try {
    const peer = await Peer.open(hub.ws, hub.admin);
    await peer.pub("inside/a", 1);
    await peer.pub("outside/b", 2);
    const made = await (
      await fetch(hub.url + "api/tokens", {
        method: "POST",
        headers: { Authorization: "Bearer " + hub.admin, "Content-Type": "application/json" },
        body: JSON.stringify({ name: "guest", publish: [], subscribe: ["inside/#"] }),
      })
    ).json();
    const page = await open(browser, hub);
    await page.waitForSelector("text=A token is needed to read this hub's topics");
    await page.fill(".none input[type=password]", hub.admin);
    await page.click(".none >> text=Unlock");
    await row(page, "outside/b").waitFor();
    await go(page, "hub");
    await page.click("text=Let devices join for 5 minutes");
    await page.waitForSelector("text=Devices may join for another");
    await page.click("text=Close the window");
    await page.waitForSelector("text=Devices need a token to come in.");
    await close(page);
    const guest = await open(browser, hub, { path: "#token=" + made.token });
    await row(guest, "inside/a").waitFor();
    assert((await row(guest, "outside/b").count()) === 0, "a guest sees what the token allows");
    assert(!(await guest.evaluate(() => location.href)).includes(made.token), "the token does not stay in the address");
    await close(guest);
    peer.close();
  } finally {
    await hub.end();
  }
}

export async function admin({ browser, hub }) {
  const victim = await Peer.open(hub.ws);
  await victim.ask({ op: "hello", opts: { dev: "victim" } });
  const ended = new Promise((done) => victim.ws.on("close", done));
  const room = new WebSocket(hub.ws.replace("/ws", "/relay/kitchen"));
  const heard = new Promise((done) => room.on("message", (b) => done(String(b))));
  await new Promise((done) => room.on("open", done));
  const page = await open(browser, hub);
  await go(page, "hub");
  await page.waitForSelector("text=The admin's is in the hub's state directory");
  assert(!(await page.locator("[aria-label=Listeners]").isVisible()), "what is the admin's is not shown to others");
  await page.fill("input[type=password]", hub.admin);
  await page.click("text=Unlock");
  await page.waitForSelector("text=You are the admin");
  await page.fill("[placeholder='0.0.0.0:8000']", "127.0.0.1:0");
  await page.selectOption(".card select >> nth=0", "echo");
  await page.click("button:text-is('Open')");
  const added = page.locator("tr", { hasText: "echo" });
  await added.waitFor();
  const echo = new WebSocket("ws://" + (await added.locator("th").innerText()).trim() + "/");
  await new Promise((done) => echo.on("open", () => echo.send("hi") || echo.on("message", done)));
  echo.close();
  await added.locator("button").click();
  await page.click("dialog button.danger");
  await added.waitFor({ state: "detached" });
  await page.waitForSelector(".members >> text=relay/kitchen");
  await page.fill("[placeholder='What everybody in the room should read']", "soup is ready");
  await page.click("button:has-text('Broadcast')");
  assert((await heard) === "soup is ready", "the room hears it");
  room.close();
  await page.fill("[placeholder='kitchen tablet']", "tablet");
  await page.selectOption(".stack select:has-text('in 90 days')", "90");
  await page.click("text=Make a token");
  await page.waitForSelector(".fresh code");
  await page.waitForSelector("tr:has-text('tablet')");
  const headers = { Authorization: "Bearer " + hub.admin };
  const ask = async () => (await (await fetch(hub.url + "api/tokens", { headers })).json()).tokens;
  const days = ((await ask()).find((t) => t.name === "tablet").expires - Date.now()) / 86400000;
  assert(days > 89.9 && days < 90.1, "it ends in " + days + " days");
  await page.click("[aria-label='Withdraw tablet']");
  await page.click("dialog button.danger");
  await page.waitForSelector("tr:has-text('tablet')", { state: "detached" });
  assert(!(await ask()).some((t) => t.name === "tablet"), "it is withdrawn");
  await go(page, "clients");
  await page.click("[aria-label='Cut victim']");
  await ended;
  await close(page);
}

export async function people({ browser, hub }) {
  const a = await open(browser, hub),
    b = await open(browser, hub);
  for (const [p, name] of [
    [a, "Ada"],
    [b, "Grace"],
  ]) {
    await go(p, "chat");
    await p.fill("[aria-label='Your name']", name);
    await p.press("[aria-label='Your name']", "Enter");
  }
  await until(
    "each sees the other",
    async () =>
      /Ada\s+Grace/.test(await a.locator(".users").innerText()) && /Ada\s+Grace/.test(await b.locator(".users").innerText()),
  );
  await a.fill("[aria-label=Message]", "is the bilge dry?");
  await a.press("[aria-label=Message]", "Enter");
  await b.waitForSelector("text=is the bilge dry?");
  await close(a);
  await until("who goes is off the list", async () => !/Ada/.test(await b.locator(".users").innerText()));
  await close(b);
}

// What readings look like: large and small numbers, booleans, texts, objects.
export async function shapes({ browser, hub, peer }) {
  const said = {
    count: 1234567890,
    tiny: 0.0000123,
    on: true,
    door: "open",
    air: { temp: 21.5, hum: 71 },
    tank: { u: "/100", v: 40 },
    well: { u: "%", v: 60 },
  };
  const page = await open(browser, hub, { kept: { span: 900 } }); // first: after a minute what was said is quiet
  for (let i = 0; i < 3; i++) for (const [name, data] of Object.entries(said)) await peer.pub("shapes/" + name, data);
  await peer.pub("shapes/on", false);
  for (const v of ["9007199254740993", "9007199254740995"]) peer.ws.send(`{"op":"pub","topic":"shapes/meter","data":${v}}`);
  await peer.pub("shapes/door", "=closed");
  await filter(page, "shapes");
  const shown = { count: "1,234,567,890", tiny: "1.23×10⁻⁵", meter: "9,007,199,254,740,995", on: "false", door: "=closed", air: "temp 21.5 · hum 71" };
  for (const [name, want] of Object.entries(shown))
    await until(name + " reads " + want, async () => (await row(page, "shapes/" + name).locator(".v").innerText()) === want);
  assert((await row(page, "shapes/on").locator(".dot").getAttribute("aria-label")) === "live", "its mark can be heard");
  const figures = () => page.locator(".figures tbody tr").allInnerTexts();
  const at = { position: { x: 90, y: 12 } };
  await row(page, "shapes/door").click(at);
  await until("a topic of texts shows the last of them", async () => (await page.locator(".texts li").count()) === 4);
  assert((await page.locator(".texts .x").first().innerText()) === "=closed", "the newest first");
  await row(page, "shapes/meter").click(at);
  await until("whole numbers are whole in the figures and below", async () =>
    /995\s+9,007,199,254,740,993\s.*\s9,007,199,254,740,995/.test((await figures()).join()),
  );
  assert((await page.locator(".detail pre").innerText()) === "9007199254740995", "as it came");
  await row(page, "shapes/on").click(at);
  await until("on and off have figures", async () => /on\s+false\s+false\s+\d+ % true\s+true/.test((await figures()).join()));
  await page.click("[aria-label='Add a topic to the plot']");
  await page.fill("dialog input", "shapes/air");
  await page.click("dialog button.primary");
  await until("each field has its name", async () => /shapes\/air temp.*shapes\/air hum/s.test((await figures()).join()));
  assert((await page.locator(".swatch.dashed").count()) === 1, "and its own line");
  await row(page, "shapes/tank").click(at);
  await row(page, "shapes/well").click({ ...at, modifiers: ["Shift"] });
  const axes = async () => Number(await page.locator(".plot").getAttribute("data-axes"));
  await until("one axis a unit, however it is written", async () => (await figures()).length === 2 && (await axes()) === 1);
  await row(page, "shapes/air").click({ ...at, modifiers: ["Shift"] });
  await until("another for another unit", async () => (await axes()) === 2);
  await row(page, "shapes/door").click({ ...at, modifiers: ["Shift"] });
  await page.waitForSelector("text=shapes/door has no numbers to plot.");
  await close(page);
}

// Somebody at the hub's own machine shows a phone the way.
export async function invites({ browser, hub }) {
  const page = await open(browser, hub);
  const shown = async () => {
    await page.click("[aria-label='Open on a phone']");
    const at = await page.locator("dialog input").inputValue();
    const hint = (await page.locator("dialog small").allInnerTexts()).join();
    const drawn = await page.locator("dialog img").evaluate((i) => i.decode().then(() => i.naturalWidth));
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog", { state: "detached" });
    return { at, hint, drawn };
  };
  const here = await shown();
  assert(here.at === hub.url && /this machine only/.test(here.hint) && here.drawn > 0, JSON.stringify(here));
  await page.route("**/api/me", async (r) => {
    const a = await r.fetch();
    r.fulfill({ response: a, json: { ...(await a.json()), page: "http://192.0.2.7:22345/" } });
  });
  await page.reload();
  await page.waitForSelector("#state.live");
  const there = await shown();
  assert(there.at === "http://192.0.2.7:22345/" && there.hint === "", JSON.stringify(there));
  await close(page);
}

// Fingers on the plot: two zoom, one pans, and up and down still scrolls.
export async function touch({ browser, hub }) {
  const page = await open(browser, hub, { width: 390, height: 844, phone: true, kept: { span: 60 } });
  await filter(page, "greenhouse");
  await row(page, "greenhouse/1/temp").tap();
  const over = page.locator(".plot .over");
  await until("it is drawn", async () => (await over.boundingBox())?.width > 200);
  const box = await over.boundingBox(),
    cdp = await page.context().newCDPSession(page),
    y = box.y + 100,
    x = box.x + box.width / 2;
  const fingers = (type, ...at) =>
    cdp.send("Input.dispatchTouchEvent", { type, touchPoints: at.map(([x, y], id) => ({ x, y, id })) });
  await fingers("touchStart", [x - 40, y]);
  await fingers("touchStart", [x - 40, y], [x + 40, y]);
  for (let i = 10; i <= 60; i += 10) await fingers("touchMove", [x - 40 - i, y], [x + 40 + i, y]);
  await fingers("touchEnd");
  await until("two fingers zoom", () => page.evaluate(() => JSON.parse(localStorage.topicd).span < 40));
  assert((await page.evaluate(() => visualViewport.scale)) === 1, "the plot, not the page");
  await fingers("touchStart", [x, y]);
  for (let i = 10; i <= 90; i += 10) await fingers("touchMove", [x + i, y]);
  await fingers("touchEnd");
  await until("one pans", async () => (await page.locator(".follow").getAttribute("aria-pressed")) === "false");
  await fingers("touchStart", [x, y + 60]);
  for (let i = 20; i <= 160; i += 20) await fingers("touchMove", [x, y + 60 - i]);
  await fingers("touchEnd");
  await until("up and down scrolls", () => page.evaluate(() => document.querySelector(".pane").scrollTop > 50));
  await close(page);
}
