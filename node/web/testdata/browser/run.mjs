// node run.mjs BINARY FOLDER [seconds of load]
// Prints "ok NAME [figures]" or "not ok NAME reason" for each check, and writes
// screenshots into the folder.
import * as browserChecks from "./checks.mjs";
import * as costs from "./cost.mjs";
import * as deeds from "./deeds.mjs";
import { demo } from "./feed.mjs";
import { figures } from "./figures.mjs";
import * as hands from "./hands.mjs";
import * as mqtt from "./mqtt.mjs";
import { pure } from "./pure.mjs";
import * as reasons from "./reasons.mjs";
import { shoot } from "./screens.mjs";
import { Hub, launch, Peer } from "./stage.mjs";
import * as stream from "./stream.mjs";
import * as walls from "./walls.mjs";

const [binary, folder, seconds = "20"] = process.argv.slice(2);
const browser = await launch();
const hub = await new Hub(binary).start();
const feed = await demo(hub.ws);
const shown = await new Hub(binary).start(); // for the pictures: nobody does harm there
const scenery = await demo(shown.ws);
const peer = await Peer.open(hub.ws);
const began = Date.now();
const stage = { browser, hub, peer, binary, folder, seconds: Number(seconds) };

async function check(name, f) {
  const at = Date.now();
  try {
    const told = await f(stage);
    if (told?.startsWith("skipped")) return console.log("skip " + name + " " + told);
    console.log("ok " + name + " " + ((Date.now() - at) / 1000).toFixed(1) + " s" + (told ? ", " + told : ""));
  } catch (e) {
    let n = 0,
      faults = "";
    for (const page of browser.contexts().flatMap((c) => c.pages())) {
      await page.screenshot({ path: `${folder}/failed-${name}-${n++}.png`, timeout: 3000 }).catch(() => {});
      if (page.faults?.length) faults += `\n${page.url()}: ` + page.faults.join("\n");
    }
    console.log("not ok " + name + " " + (String(e.stack || e) + faults).replaceAll("\n", "\n\t"));
  }
}

const checks = { ...browserChecks, ...deeds, ...stream, ...reasons, ...walls, ...mqtt, ...costs, ...hands, pure, figures };
const only = process.env.CHECK ? process.env.CHECK.split(",") : null;
const named = (...names) => names.filter((n) => !only || only.includes(n));
const series = async (...names) => {
  for (const name of named(...names)) await check(name, checks[name]);
};
const pictures = async () => {
  if (!named("screens").length) return;
  await new Promise((r) => setTimeout(r, Number(process.env.WAIT || 15) * 1000)); // something to plot
  await check("screens", () => shoot({ browser, hub: shown, folder }, began));
};
await Promise.all([
  series("values", "plot", "dense", "minutes", "keyboard", "topics", "shapes", "log", "admin", "people", "inert"),
  series("pure", "figures", "phones", "touch", "accessible", "heals", "resumes", "tokens", "invites", "typing", "tabs"),
  series("events", "eventsOfMany", "wrongToken", "history", "rights", "looking", "clockSteps", "proxies", "presses", "keyboards", "refusals", "dragging", "rooms"),
  series("pins", "wall", "limits", "files", "wakes", "away", "lost", "app", "texts", "languages", "mosquitto"),
  pictures(),
]);
await series("busy"); // alone: it measures
if (only) await series("cost", "paint"); // only who asks for them
peer.close();
feed.close();
scenery.close();
await Promise.all([hub.end(), shown.end()]);
await browser.close();
