// What people publish by MQTT is what the dashboard shows.

import { spawn } from "node:child_process";
import fs from "node:fs";
import { painted } from "./checks.mjs";
import { close, filter, freePort, Hub, open, row, sleep, until } from "./stage.mjs";

/** mosquitto: its readings are a line of the plot, with their figures. */
export async function mosquitto({ browser, binary }) {
  if (!fs.existsSync("/usr/bin/mosquitto_pub")) return "skipped: needs mosquitto-clients";
  const port = await freePort();
  const hub = await new Hub(binary, "--sense=off", "--mqtt-listen", "127.0.0.1:" + port).start();
  const page = await open(browser, hub, { kept: { span: 60 } });
  const pub = spawn("mosquitto_pub", ["-p", port, "-t", "shed/power", "-q", "1", "-l"], { stdio: ["pipe", "inherit", "inherit"] });
  for (let i = 0; i <= 40; i++) {
    pub.stdin.write(100 + i * 10 + "\n");
    await sleep(25);
  }
  pub.stdin.end();
  await filter(page, "shed/");
  await row(page, "shed/power").click();
  await until("a line is drawn", async () => Object.values(await painted(page)).some((n) => n > 60));
  await until("value, min, mean and max are right", async () =>
    /500\s+100\s+300(\.0)?\s+500/.test(await page.locator(".figures tbody tr").first().innerText()),
  );
  await close(page);
  await hub.end();
}
