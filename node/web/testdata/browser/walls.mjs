// Tiles and walls: what a tablet that hangs somewhere relies on.

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
  const units = await page.locator(".topics .tile small").allInnerTexts();
  assert(new Set(units).size > 4, "of several units: " + units);
  await filter(page, "pins/");
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
