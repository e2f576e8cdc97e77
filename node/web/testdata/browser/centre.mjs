// node centre.mjs URL TOPIC TEXT...: the page of a hub shows a topic, and beside it all of the texts.

import { close, filter, launch, open, row } from "./stage.mjs";

const [url, topic, ...texts] = process.argv.slice(2);
const browser = await launch();
try {
  const page = await open(browser, { url });
  await filter(page, topic);
  const line = row(page, topic);
  for (const text of texts) {
    await line.filter({ hasText: text }).waitFor();
  }
  console.log("shown: " + (await line.innerText()).replace(/\s+/g, " "));
  await close(page);
} finally {
  await browser.close();
}
