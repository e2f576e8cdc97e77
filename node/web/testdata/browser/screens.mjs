// Pictures of every view, as a person would see them.

import fs from "node:fs";
import os from "node:os";
import WebSocket from "ws";
import { few } from "./palette.mjs";
import { close, filter, open, Peer, row, sleep } from "./stage.mjs";

const go = (page, view) =>
  page.evaluate((v) => {
    location.hash = v;
  }, view);

/** shoot writes them; the plots show what has come since began. */
export async function shoot({ browser, hub, folder }, began) {
  fs.mkdirSync(folder, { recursive: true });
  const span = Math.max(30, Math.round((Date.now() - began) / 1000));
  const shot = (page, name) => page.screenshot({ path: folder + "/" + name + ".png" });
  const company = await visitors(hub);
  const kept = { span, user: "Ada", closed: ["gateway/" + os.hostname().split(".")[0]] };
  const desk = async (dark) => {
    const name = dark ? "dark" : "light";
    const page = await open(browser, hub, {
      width: 1440,
      height: 900,
      dark,
      kept: { ...kept, user: dark ? "Ada" : "Lin" },
      token: hub.admin,
    });
    await sleep(1500);
    await shot(page, name);
    await go(page, "topics?plot=greenhouse/1/temp&plot=greenhouse/2/temp&plot=greenhouse/1/humidity&span=" + span);
    await page.mouse.move(1150, 320);
    await sleep(700);
    await shot(page, name + "-plot");
    await page.click("[aria-label='Close the plot']");
    await go(page, "topics?plot=greenhouse/1/light&span=" + span);
    await sleep(500);
    await shot(page, name + "-topic");
    for (const view of dark ? ["wall", "log", "chat", "clients", "memory", "hub"] : ["chat", "hub"]) {
      await go(page, view);
      await sleep(view === "clients" ? 2600 : 700);
      await shot(page, name + "-" + view);
    }
    if (dark) {
      await page.keyboard.press("p");
      await sleep(200);
      await shot(page, name + "-publish");
      await page.keyboard.press("Escape");
      await page.click("[aria-label='Open on a phone']");
      await sleep(400);
      await shot(page, name + "-phone");
    }
    await close(page);
  };
  const hand = async (dark) => {
    const name = dark ? "phone" : "phone-light",
      page = await open(browser, hub, {
        width: 390,
        height: 844,
        phone: true,
        dark,
        scale: 2,
        kept: { ...kept, user: "" },
        token: hub.admin,
      });
    await sleep(800);
    await shot(page, name);
    await filter(page, "greenhouse");
    await sleep(200);
    await row(page, "greenhouse/1/temp").tap();
    await sleep(700);
    await shot(page, name + "-plot");
    for (const view of dark ? ["wall", "log", "chat", "clients", "hub"] : []) {
      await go(page, view);
      await sleep(500);
      await shot(page, name + "-" + view);
    }
    await close(page);
  };
  // For the pages about topicd; make pictures.
  const picture = async (name, path) => {
    const page = await open(browser, hub, { width: 1200, height: 720, kept: { limits: { "greenhouse/1/temp": [20, 24.5] } }, token: hub.admin, path });
    await sleep(2500);
    fs.writeFileSync(folder + "/" + name + ".png", few(await page.screenshot()));
    await close(page);
  };
  await picture("dashboard", "#topics?plot=greenhouse/1/temp&plot=greenhouse/2/temp&plot=greenhouse/1/humidity&span=" + span);
  await picture("wall", "#wall?span=" + span);
  await Promise.all([desk(true), desk(false), hand(true), hand(false)]);
  company.forEach((c) => c.close());
}

// Others, so that no view is empty.
async function visitors(hub) {
  const peers = [];
  for (const dev of ["esp32-boat", "pi-workshop", "tablet-kitchen"]) {
    const p = await Peer.open(hub.ws);
    await p.ask({ op: "hello", opts: { dev } });
    await p.ask({ op: "sub", topic: dev.split("-")[1] + "/#" });
    peers.push(p);
  }
  await peers[1].pub("chat", { user: "Grace", text: "The lathe is free from four o'clock." });
  await peers[2].pub("chat", { user: "Ada", text: "Good. Is somebody watching the greenhouse vents?" });
  await peers[1].pub("chat", { user: "Grace", text: "They open by themselves at 26 °C now." });
  for (const name of ["alice", "bob"]) {
    const ws = new WebSocket(hub.ws.replace("/ws", "/relay/" + name));
    await new Promise((done, fail) => {
      ws.on("open", done);
      ws.on("error", fail);
    });
    peers.push(ws);
  }
  return peers;
}
