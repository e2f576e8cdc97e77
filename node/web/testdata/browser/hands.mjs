// What hands do counts, and for what they meant, while the page makes its lists anew.

import fs from "node:fs";
import { open as socket } from "./feed.mjs";
import { assert, close, filter, Hub, live, open, Peer, row, until } from "./stage.mjs";

const go = (page, view) =>
  page.evaluate((v) => {
    location.hash = v;
  }, view);
const focused = (page) => page.evaluate(() => document.activeElement.getAttribute("aria-label") || document.activeElement.textContent);
const painted = (page) => page.evaluate(() => new Promise((done) => setTimeout(() => requestAnimationFrame(done), 700))); // a few times

// pause is for as long as the hub answers nobody.
async function pause(hub, during) {
  hub.process.kill("SIGSTOP");
  try {
    await during();
  } finally {
    hub.process.kill("SIGCONT");
  }
}

// Rows that come and go move none from below a finger, none from below the eyes, and
// leave the keyboard where it is.
export async function presses({ browser, binary }) {
  const hub = await new Hub(binary, "--sense=off").start();
  try {
    const peer = await Peer.open(hub.ws),
      name = (i) => "m/" + String(i).padStart(3, "0");
    for (let i = 0; i < 120; i++) peer.ws.send(JSON.stringify({ op: "pub", topic: name(i), data: i }));
    await peer.pub("a/0", 0);
    const page = await open(browser, hub, { kept: { flat: true, tiles: false } });
    await row(page, "m/003").waitFor();
    await until("all are there", async () => (await page.locator(".count").innerText()) === "121 topics");
    await painted(page);
    const box = await row(page, "m/003").boundingBox();
    await page.mouse.move(box.x + 90, box.y + box.height / 2);
    await page.mouse.down();
    for (let i = 1; i < 6; i++) await peer.pub("a/" + i, i);
    await painted(page);
    await page.mouse.up();
    await until("the topic that was pressed is plotted", async () => (await page.locator(".pane h2").innerText()) === "m/003");
    await row(page, "a/5").waitFor();

    const active = () =>
      page.evaluate(() => document.getElementById(document.querySelector(".table").getAttribute("aria-activedescendant"))?.querySelector(".name").title);
    await until("the row that is heard is the same one", async () => (await active()) === "m/003");
    await page.click("[aria-label='Close the plot']");
    await page.focus(".table");
    await peer.ask({ op: "delete", topic: "m/003" });
    await row(page, "m/003").waitFor({ state: "detached" });
    await page.keyboard.press("ArrowDown");
    await until("the keyboard goes on from where it was", async () => ["m/004", "m/005"].includes(await active()));

    await page.locator(".rows").evaluate((r) => (r.scrollTop = 1200));
    let top;
    const read = () => row(page, "m/050").boundingBox();
    await until("it has scrolled", async () => (top = await read()));
    for (let i = 6; i < 12; i++) await peer.pub("a/" + i, i);
    await until("the new ones are counted", async () => (await page.locator(".count").innerText()) === "131 topics");
    await painted(page);
    assert((await read())?.y === top.y, "what is read stays where it is");
    await close(page);
    peer.close();
  } finally {
    await hub.end();
  }
}

// What is typed while the hub is slow is not taken away, and what is sent is sent once.
export async function typing({ browser, binary }) {
  const hub = await new Hub(binary, "--sense=off").start();
  try {
    const peer = await Peer.open(hub.ws),
      page = await open(browser, hub, { path: "#chat", kept: { user: "Ada" }, token: hub.admin }),
      box = page.locator("[aria-label=Message]"),
      said = (text) => page.locator(".said", { hasText: text });
    await page.waitForSelector(".users >> text=Ada");
    await pause(hub, async () => {
      await box.fill("first");
      await page.keyboard.press("Enter");
      await page.keyboard.press("Enter");
      await box.fill("second");
    });
    await said("first").waitFor();
    await painted(page);
    assert((await box.inputValue()) === "second", "what was typed meanwhile stands: " + (await box.inputValue()));
    assert((await said("first").count()) === 1, "what was sent was sent once");
    await peer.ask({ op: "delete", topic: "chat" });
    await peer.pub("chat", { user: "Lin", text: "anew" });
    await said("anew").waitFor();
    await go(page, "log");
    await peer.ask({ op: "delete", topic: "chat" });
    await peer.pub("chat", { user: "Lin", text: "while away" });
    await go(page, "chat");
    await said("while away").waitFor();
    assert((await page.locator(".said").last().innerText()) === "while away", "a chat that began anew goes on below");

    await go(page, "hub");
    await page.fill("[placeholder='kitchen tablet']", "tablet");
    await page.locator("text=Make a token").dblclick();
    await page.waitForSelector(".fresh code");
    await page.waitForSelector(".tokens >> text=tablet");
    assert((await page.locator(".tokens th", { hasText: "tablet" }).count()) === 1, "a double click makes one token");
    await close(page);
    peer.close();
  } finally {
    await hub.end();
  }
}

// The keyboard stays where it is when what is below it is made anew.
export async function keyboards({ browser, binary }) {
  const hub = await new Hub(binary, "--sense=off", "--access=join").start();
  try {
    const peer = await Peer.open(hub.ws, hub.admin);
    for (const t of ["w/a", "w/b", "w/c"]) await peer.pub(t, 1);
    const wall = [["tile", "w/a"], ["tile", "w/b"], ["tile", "w/c"]];
    const page = await open(browser, hub, { path: "#wall", kept: { wall }, token: hub.admin });
    const tiles = async () => (await page.locator(".tile a").evaluateAll((l) => l.map((a) => a.title.slice(2)))).join("");
    await page.click("text=Edit");
    await page.focus("[aria-label='Move w/a on']");
    await page.keyboard.press("Enter");
    await until("it is one further", async () => (await tiles()) === "bac");
    await page.keyboard.press("Enter");
    await until("and one more", async () => (await tiles()) === "bca");

    await go(page, "log");
    await peer.pub("w/a", 2);
    await page.waitForSelector(".lines .t >> text=w/a");
    await page.focus("button:has-text('Clear')");
    await page.keyboard.press("Space");
    await until("the space bar presses what has the keyboard", async () => (await page.locator(".lines .t", { hasText: "w/a" }).count()) === 0);
    assert((await page.locator("text=Pause").getAttribute("aria-pressed")) !== "true", "and no more");

    await page.keyboard.press("p");
    await page.fill("dialog input", "no+topic");
    await page.fill("dialog textarea", "1");
    await page.focus("dialog button.primary");
    await page.keyboard.press("Enter");
    await page.waitForSelector("dialog .outcome.bad:not(:empty)");
    assert((await focused(page)) === "Publish", "a refusal leaves the keyboard: " + (await focused(page)));
    await page.keyboard.press("Escape");

    await go(page, "topics?plot=w/b");
    await page.click(".detail >> text=Keep it (static)");
    await page.click("dialog button.primary");
    await page.waitForSelector("dialog", { state: "detached" });
    await page.waitForSelector(".detail >> text='Change'");
    assert((await focused(page)) === "Change", "the button is the same one: " + (await focused(page)));

    await go(page, "hub");
    await page.click("text=Let devices join for 5 minutes");
    const left = page.locator("text=Devices may join for another");
    await left.waitFor();
    await page.focus("button:has-text('Close the window')");
    const [asked] = await Promise.all([page.waitForResponse((r) => r.url().endsWith("api/join")), page.waitForResponse((r) => r.url().endsWith("api/tokens"))]);
    assert(asked.ok(), "the list was asked for again");
    await until("the time that is left goes down", async () => (await left.innerText()).includes("4 min"));
    assert((await focused(page)) === "Close the window", "and its button is the same one");
    await close(page);
    peer.close();
  } finally {
    await hub.end();
  }
}

// Two tabs of one browser, a link with a token in an open tab, and a hub that takes the
// socket and says nothing.
export async function tabs({ browser, binary }) {
  const hub = await new Hub(binary, "--sense=off", "--access=join").start();
  try {
    const peer = await Peer.open(hub.ws, hub.admin);
    await peer.pub("tab/a", 1);
    const page = await open(browser, hub);
    await page.waitForSelector(".none input[type=password]");
    await page.evaluate((t) => (location.hash = "token=" + t), hub.admin);
    await row(page, "tab/a").waitFor();
    assert(!(await page.evaluate(() => location.href)).includes(hub.admin), "the token does not stay in the address");
    const other = await page.context().newPage();
    other.faults = [];
    await other.goto(hub.url + "#topics?plot=tab/a");
    await live(other);
    await other.click("[aria-label='Pin as a tile']");
    await page.bringToFront();
    await until("both tabs have the pin", () => page.evaluate(() => JSON.parse(localStorage.topicd).wall?.length === 1)); // a browser takes a moment
    await page.keyboard.press("t");
    const kept = await page.evaluate(() => JSON.parse(localStorage.topicd));
    assert(kept.theme === "light" && kept.wall?.length === 1, "what one tab keeps the other leaves: " + JSON.stringify(kept));
    await close(page);

    let sockets = 0;
    const mute = await open(browser, hub, {
      token: hub.admin,
      waits: false,
      ready: (p) =>
        p.routeWebSocket(/\/ws/, (ws) => {
          if (sockets++) ws.connectToServer();
        }),
    });
    await live(mute);
    assert(sockets > 1, "it was tried again");
    await close(mute);
    peer.close();
  } finally {
    await hub.end();
  }
}

// A tablet on a wall that nobody touches: who was refused tries again, not before the
// hub said where it said when.
export async function refusals({ browser, binary }) {
  const hub = await new Hub(binary, "--sense=off", "--access=token").start(),
    other = await new Hub(binary, "--sense=off").start();
  const as = async (state) => {
    await hub.stop();
    hub.state = state;
    await hub.start();
  };
  try {
    const own = hub.state,
      page = await open(browser, hub, { token: hub.admin, ready: (p) => p.clock.install() });
    await other.stop();
    await as(other.state); // its disk was not there when it started
    await page.waitForSelector("#notice >> text=The hub does not take this browser's token.");
    await as(own);
    await page.clock.fastForward(301000);
    await live(page);
    await close(page);
    for (let i = 0; i < 25; i++) await fetch(hub.url + "api/me", { headers: { Authorization: "Bearer wrong" + i } });
    const guess = await open(browser, hub, { waits: false, token: "wrong" });
    await guess.waitForSelector("#notice >> text=This page asks again in");
    await until("it waits as long as it says", async () => Number(/\d+/.exec(await guess.locator("#state").innerText())?.[0]) > 19);
    await close(guess);
  } finally {
    await hub.end();
    fs.rmSync(other.state, { recursive: true, force: true });
  }
}

// Who is in a relay room since when goes on counting, and a room that was folded stays so.
export async function rooms({ browser, binary }) {
  const hub = await new Hub(binary, "--sense=off").start();
  try {
    const enter = (room) => socket(hub.ws.replace("/ws", "/relay/" + room));
    await enter("a");
    const page = await open(browser, hub, { path: "#hub", token: hub.admin }),
      stays = page.locator(".members small");
    await stays.first().waitFor();
    const first = await stays.first().innerText();
    await until("it goes on counting", async () => (await stays.first().innerText()) !== first);
    await page.locator("summary", { hasText: "a" }).click();
    await enter("b");
    await page.locator("details[data-room='b']").waitFor();
    assert((await page.locator("details[data-room='a']").getAttribute("open")) === null, "it stays folded");
    await close(page);
  } finally {
    await hub.end();
  }
}

// A plot whose drag ended where the page was not told does not follow the bare pointer.
export async function dragging({ browser, hub, peer }) {
  await peer.pub("drag/a", 1);
  const page = await open(browser, hub, { path: "#topics?plot=drag/a" });
  await page.locator(".plot .over").waitFor();
  const box = await page.locator(".plot .over").boundingBox(),
    follows = () => page.locator(".follow").getAttribute("aria-pressed");
  await page.mouse.move(box.x + 100, box.y + 50);
  await page.locator(".plot .over").dispatchEvent("pointerdown", { pointerId: 1, button: 0, clientX: box.x + 100 });
  await page.mouse.move(box.x + 300, box.y + 50, { steps: 3 });
  assert((await follows()) === "true", "it follows what comes");
  await close(page);
}
