// The event stream in a browser's own EventSource, which comes back by itself
// with the last id that it saw.

import { assert, close, Hub, open, Peer, until } from "./stage.mjs";

/** listen opens an EventSource in the page and keeps what comes. */
const listen = (page, query) =>
  page.evaluate((query) => {
    window.heard = { readings: [], gaps: [], byes: [], opened: 0, id: "" };
    const es = (window.es = new EventSource("/api/stream?" + query));
    es.onopen = () => window.heard.opened++;
    es.onmessage = (e) => window.heard.readings.push({ id: e.lastEventId, ...JSON.parse(e.data) });
    es.addEventListener("gap", (e) => window.heard.gaps.push(JSON.parse(e.data)));
    es.addEventListener("bye", (e) => window.heard.byes.push(JSON.parse(e.data)));
  }, query);

const heard = (page) => page.evaluate(() => window.heard);
const values = async (page) => (await heard(page)).readings.map((r) => r.data).join(" ");

async function cut(hub) {
  const headers = { Authorization: "Bearer " + hub.admin };
  const { clients } = await (await fetch(hub.url + "api/clients", { headers })).json();
  const mine = clients.filter((c) => c.dialect === "sse");
  assert(mine.length === 1, "the stream is on the list of clients once: " + mine.length);
  await fetch(hub.url + "api/clients/" + mine[0].id, { method: "DELETE", headers });
}

// One topic: each reading exactly once, over a cut and over a restart.
export async function events({ browser, binary }) {
  const hub = await new Hub(binary, "--sense=off").start();
  try {
    let peer = await Peer.open(hub.ws);
    await peer.pub("es/a", 1);
    const page = await open(browser, hub);
    await listen(page, "topic=es/a");
    await until("what is stored comes", async () => (await values(page)) === "1");
    await peer.pub("es/a", 2);
    await until("readings come", async () => (await values(page)) === "1 2");
    let at = await heard(page);
    const [ep] = at.readings[0].id.split("-");
    assert(at.readings.every((r) => r.id === `${ep}-${r.seq}`), "ids are epoch and number: " + at.readings.map((r) => r.id));
    await cut(hub);
    await until("it is told why", async () => (await heard(page)).byes.length === 1);
    for (const v of [3, 4, 5]) await peer.pub("es/a", v);
    await until("what it missed comes", async () => (await values(page)).endsWith("5"));
    await peer.pub("es/a", 6);
    await until("and what comes then", async () => (await values(page)).endsWith("6"));
    assert((await values(page)) === "1 2 3 4 5 6", "each once: " + (await values(page)));
    assert((await heard(page)).gaps.length === 0, "nothing is gone");

    await hub.stop();
    await hub.start();
    peer = await Peer.open(hub.ws);
    for (const v of [7, 8]) await peer.pub("es/a", v);
    await until("after a restart it comes back", async () => (await values(page)).endsWith("8"));
    await peer.pub("es/a", 9);
    await until("and goes on", async () => (await values(page)).endsWith("9"));
    at = await heard(page);
    assert((await values(page)) === "1 2 3 4 5 6 7 8 9", "each once: " + (await values(page)));
    assert(at.readings.at(-1).id === ep + "-9" && at.gaps.length === 0, "under the same numbers: " + at.readings.at(-1).id + JSON.stringify(at.gaps));
    assert(at.opened === 3, "opened " + at.opened);

    await hub.crash();
    await hub.start();
    peer = await Peer.open(hub.ws);
    for (const v of [10, 11]) await peer.pub("es/a", v);
    await until("after a crash it comes back", async () => (await values(page)).endsWith("11"));
    at = await heard(page);
    const [now] = at.readings.at(-1).id.split("-");
    assert(now !== ep && at.readings.at(-1).seq === 2, "under new numbers: " + at.readings.at(-1).id);
    assert(at.gaps.length === 1 && String(at.gaps[0].ep) === now, "and says so: " + JSON.stringify(at.gaps));
    peer.close();
    await close(page);
  } finally {
    await hub.end();
  }
}

// Patterns: nothing is lost; what comes twice is known by topic, number and time.
export async function eventsOfMany({ browser, binary }) {
  const hub = await new Hub(binary, "--sense=off").start();
  const sent = [];
  try {
    let peer = await Peer.open(hub.ws);
    const pub = async (n) => {
      for (let i = 0; i < n; i++) {
        sent.push(sent.length);
        await peer.pub("es/" + (sent.length % 3), sent.length - 1);
      }
    };
    const page = await open(browser, hub);
    await listen(page, "topic=es/%2B&topic=other&last=100");
    const all = async () => {
      const known = new Map();
      for (const r of (await heard(page)).readings) known.set([r.topic, r.seq, r.ts].join(), r.data);
      return [...known.values()].sort((a, b) => a - b).join();
    };
    await pub(10);
    await until("readings come", async () => (await all()) === sent.join());
    await cut(hub);
    await pub(10);
    await until("what it missed comes", async () => (await all()) === sent.join());
    await hub.stop();
    await hub.start();
    peer = await Peer.open(hub.ws);
    await pub(10);
    await until("after a restart too", async () => (await all()) === sent.join());
    assert((await heard(page)).gaps.length === 0, "which is no news");
    await hub.crash();
    await hub.start();
    peer = await Peer.open(hub.ws);
    await pub(10);
    await until("and after a crash", async () => (await all()) === sent.join());
    const { gaps } = await heard(page);
    assert(gaps.length === 2 && gaps[0].topic === "es/+" && gaps[1].topic === "other", "and says so: " + JSON.stringify(gaps));
    peer.close();
    await close(page);
  } finally {
    await hub.end();
  }
}
