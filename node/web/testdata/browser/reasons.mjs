// What a person meets when something is in the way: a wrong token, a proxy, a
// clock that is set. And what looking must not do.

import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { assert, close, filter, freePort, Hub, live, open, Peer, row, sleep, told, until } from "./stage.mjs";

const go = (page, view) =>
  page.evaluate((v) => {
    location.hash = v;
  }, view);
const text = (page, topic, cell) => row(page, topic).locator(cell).innerText();
const notice = (page) => page.locator("#notice").innerText();
const says = (page, what) => until("the notice says: " + what, async () => (await notice(page)).includes(what));
const api = async (hub, method, at, body) =>
  (
    await fetch(hub.url + at, {
      method,
      headers: { Authorization: "Bearer " + hub.admin, "Content-Type": "application/json" },
      body: body && JSON.stringify(body),
    })
  ).json();
const metric = async (hub, name) => {
  const all = await (await fetch(hub.url + "metrics", { headers: { Authorization: "Bearer " + hub.admin } })).text();
  return Number(new RegExp("^" + name.replace(/[{}"]/g, "\\$&") + " (\\S+)", "m").exec(all)?.[1] ?? 0);
};

// A token is tried before it is kept: one that is wrong takes nothing away.
export async function wrongToken({ browser, binary, folder }) {
  const hub = await new Hub(binary, "--sense=off").start();
  try {
    const peer = await Peer.open(hub.ws);
    await peer.pub("token/a", 1);
    const page = await open(browser, hub);
    await row(page, "token/a").waitFor();
    await go(page, "hub");
    await page.fill("input[type=password]", "wrong");
    await page.keyboard.press("Enter");
    await page.waitForSelector("text=The hub does not know that token.");
    assert((await page.locator("#state").innerText()) === "Live" && (await notice(page)) === "", "what could be read still can");
    assert((await page.evaluate(() => JSON.stringify([localStorage, sessionStorage]))).indexOf("wrong") < 0, "nothing is kept");
    await page.reload();
    await live(page);
    await go(page, "topics");
    await peer.pub("token/a", 2);
    await until("readings go on", async () => (await text(page, "token/a", ".v")) === "2");
    await go(page, "hub");
    await page.fill("input[type=password]", hub.admin);
    await page.keyboard.press("Enter");
    await page.waitForSelector("text=You are the admin");
    await close(page);

    // A link with a token that ended.
    const linked = await open(browser, hub, { path: "#token=tpd_ended" });
    await told(linked, "The link's token is of no use");
    await row(linked, "token/a").waitFor();
    await close(linked);

    // One that is withdrawn while the page is open is no outage.
    const made = await api(hub, "POST", "api/tokens", { name: "tablet", publish: [], subscribe: ["#", "$sys/#"] });
    const tablet = await open(browser, hub, { token: made.token });
    await row(tablet, "token/a").waitFor();
    await go(tablet, "chat");
    await go(tablet, "clients");
    await tablet.waitForSelector("tr:has-text('this page')");
    await api(hub, "DELETE", "api/tokens/tablet");
    await says(tablet, "The hub does not take this browser's token.");
    await until("it is refused, not retried", async () => (await tablet.locator("#state").innerText()) === "Refused");
    await go(tablet, "topics");
    await tablet.screenshot({ path: folder + "/refused-token.png" });
    await go(tablet, "clients"); // which asks every other second
    const guesses = await metric(hub, 'topicd_refused_total{reason="no_token"}');
    await sleep(4500);
    assert((await metric(hub, 'topicd_refused_total{reason="no_token"}')) === guesses, "it does not try again and again");
    await tablet.click("#notice >> text=Go on without it");
    await live(tablet);
    await tablet.waitForSelector("tr:has-text('this page')");
    await go(tablet, "topics");
    await peer.pub("token/a", 3);
    await until("without it all goes on", async () => (await text(tablet, "token/a", ".v")) === "3");
    await until("and the notice is gone", async () => (await notice(tablet)) === "");
    peer.close();
    await close(tablet);
  } finally {
    await hub.end();
  }
}

// Back, links and bookmarks, on each view and plot.
export async function history({ browser, hub, peer }) {
  for (let i = 0; i < 3; i++) for (const t of ["back/a", "back/b c?&#".replace("#", ""), "back/ü"]) await peer.pub(t, i);
  for (const size of [{}, { width: 390, height: 844, phone: true }]) {
    const page = await open(browser, hub, size);
    const hash = () => page.evaluate(() => decodeURIComponent(location.hash));
    const shown = async () => (await page.locator(".pane").isVisible()) && (await page.locator(".figures tbody tr").count());
    await filter(page, "back/");
    await row(page, "back/a").click();
    await until("a plot has an address", async () => (await shown()) === 1 && /^#topics\?plot=back\/a/.test(await hash()));
    await page.goBack();
    await until("Back closes it", async () => !(await shown()) && page.locator(".tree").isVisible());
    assert((await page.locator("#state").innerText()) === "Live", "and stays on the page");
    await page.goForward();
    await until("Forward opens it", async () => (await shown()) === 1);
    await page.click("[aria-label='Close the plot']");
    await until("so does its x", async () => !(await shown()));
    await row(page, "back/b c?&").click();
    await until("any name", async () => (await page.locator(".pane h2").innerText()) === "back/b c?&");
    const link = await page.evaluate(() => location.href);
    await page.click("#tabs [data-view=log]");
    await page.waitForSelector(".view.log");
    await page.goBack();
    await until("from another view too", async () => (await page.locator(".pane h2").innerText()) === "back/b c?&");
    await page.click("#tabs [data-view=hub]");
    await page.click("#tabs [data-view=topics]");
    await until("the tab keeps the plot", async () => (await shown()) === 1);
    await page.reload();
    await live(page);
    await until("a reload too", async () => (await shown()) === 1);
    await close(page);
    const other = await open(browser, hub, { ...size, path: link.slice(hub.url.length) });
    await until("a link opens it elsewhere", async () => (await other.locator(".pane h2").innerText()) === "back/b c?&");
    await until("and it is the title", async () => (await other.title()).startsWith("back/b c?& · "));
    await close(other);
  }
}

// Rights that change change every row.
export async function rights({ browser, hub }) {
  const others = await Promise.all([Peer.open(hub.ws), Peer.open(hub.ws)]);
  for (const [i, p] of others.entries()) await p.ask({ op: "hello", opts: { dev: "rights-" + i } });
  const page = await open(browser, hub);
  await go(page, "clients");
  await page.waitForSelector("tr:has-text('rights-1')");
  assert((await page.locator("[aria-label^='Cut rights-']").count()) === 0, "nobody is cut by everybody");
  await go(page, "hub");
  await page.fill("input[type=password]", hub.admin);
  await page.click("text=Unlock");
  await page.waitForSelector("text=You are the admin");
  await go(page, "clients");
  await until("the admin may cut each", async () => (await page.locator("[aria-label^='Cut rights-']").count()) === 2);
  others.forEach((p) => p.close());
  await close(page);
}

// Looking makes no topic: not the chat, not the log, not a plot, not after a restart.
export async function looking({ browser, binary }) {
  const hub = await new Hub(binary, "--sense=off", "--keep-on-exit=off").start();
  try {
    let peer = await Peer.open(hub.ws);
    for (let i = 0; i < 3; i++) await peer.pub("look/a", i);
    const names = async () => (await api(hub, "GET", "api/topics")).topics.map((t) => t.topic).join();
    const page = await open(browser, hub, { kept: { user: "Ada", patterns: ["#", "never/there"] } });
    for (const view of ["chat", "log", "clients", "memory", "hub"]) {
      await go(page, view);
      await sleep(300);
    }
    await go(page, "topics?plot=look/a&plot=also/not");
    await until("it is plotted", async () => (await page.locator(".figures tbody tr").count()) === 1);
    await go(page, "topics?plot=also/not");
    await page.waitForSelector("text=The hub has no topic also/not now.");
    await sleep(300);
    assert((await names()) === "look/a", "there are now " + (await names()));
    await peer.pub("also/not", 7);
    await until("what comes to be is plotted", async () => (await page.locator(".figures tbody td").first().innerText()) === "7");
    await page.goBack();
    await until("back at the first", async () => (await page.locator(".figures tbody tr").count()) === 2);
    await hub.stop();
    await hub.start();
    await live(page);
    await sleep(5000); // a list and more
    assert((await names()) === "", "after a restart there are " + (await names()));
    peer = await Peer.open(hub.ws);
    await peer.pub("look/a", 40);
    await until("and it goes on when it comes", async () => (await page.locator(".figures tbody td").first().innerText()) === "40");
    await go(page, "chat");
    await peer.pub("chat", { user: "Grace", text: "hello out there" });
    await page.waitForSelector("text=hello out there");
    peer.close();
    await close(page);
  } finally {
    await hub.end();
  }
}

// The hub's clock is set while a page is open: from 1970 to today, back by ten
// minutes, and by two seconds. The page sees the hub through a socket that tells
// other times.
export async function clockSteps({ browser, binary, folder }) {
  const hub = await new Hub(binary, "--sense=off").start();
  let n = 0,
    beat = 0;
  try {
    const peer = await Peer.open(hub.ws),
      today = Date.now();
    let off = 65000 - today; // a minute after 1970
    const shifted = (m) => {
      if (m.ts !== undefined) m.ts += off;
      if (m.op === "welcome") m.data.now += off;
      return m;
    };
    const page = await open(browser, hub, {
      kept: { span: 60 },
      ready: (page) =>
        page.routeWebSocket(/\/ws/, (ws) => {
          const up = ws.connectToServer();
          up.onMessage((text) => {
            const m = JSON.parse(text);
            ws.send(JSON.stringify(Array.isArray(m) ? m.map(shifted) : shifted(m)));
          });
        }),
    });
    beat = setInterval(() => peer.pub("alpha", { u: "V", v: ++n }).catch(() => {}), 200);
    await row(page, "alpha").click();
    await page.waitForSelector("text=The hub's clock is not set: it says 1970-01-01");
    await page.screenshot({ path: folder + "/refused-clock.png" });
    const figures = async () => (await page.locator(".figures tbody tr").first().innerText()).split(/\s+/).slice(1);
    const end = async () => Date.parse(await page.locator(".plot").getAttribute("data-to"));
    const right = async (what) => {
      let f;
      const from = n;
      await until(what + ": the newest is in the figures and in the plot", async () => {
        f = await figures();
        return Number(f[0]) > from + 8 && Number(f[4]) > from + 8;
      }).catch((e) => assert(false, e.message + ": " + f + ", from " + from + " on"));
      await until(what + ": the axis ends now", async () => Math.abs((await end()) - (Date.now() + off)) < 1500);
      assert((await page.locator(".follow").getAttribute("aria-pressed")) === "true", what + ": and follows");
      await until(what + ": it came just now", async () => /now|1 s/.test(await text(page, "alpha", ".c4")));
    };
    const drawn = () =>
      page.evaluate(() => {
        const c = document.querySelector(".plot canvas"),
          d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
        let last = 0;
        for (let x = 0; x < c.width; x++)
          for (let y = 0; y < c.height; y++) {
            const i = (y * c.width + x) * 4;
            if (d[i + 3] > 200 && Math.max(d[i], d[i + 1], d[i + 2]) - Math.min(d[i], d[i + 1], d[i + 2]) > 60) last = x;
          }
        return last / c.width;
      });
    await right("in 1970");
    off = 0;
    await told(page, "The hub's clock was set forward by");
    await page.screenshot({ path: folder + "/refused-clock-set.png" });
    await right("today");
    assert((await page.locator("#unset").innerText()) === "", "the clock is set");
    await until("the line is drawn up to now", async () => (await drawn()) > 0.9);
    await until("more of it", async () => n > 40);
    off = -600000;
    await right("ten minutes back");
    await until("the line is drawn up to now again", async () => (await drawn()) > 0.9);
    off = -602000;
    await right("two seconds more");
    await until("and the rate is what it was", async () => /^[1-9]\.\d \/s/.test(await text(page, "alpha", ".c3")));
    await page.reload();
    await live(page);
    await right("a page that comes after that");
    peer.close();
    await close(page);
  } finally {
    clearInterval(beat);
    await hub.end();
  }
}

/** nginx is Debian's, with these locations. */
async function nginx(locations) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "topicd-nginx-")),
    port = await freePort();
  for (const d of ["logs", "body"]) fs.mkdirSync(dir + "/" + d);
  fs.writeFileSync(
    dir + "/nginx.conf",
    `daemon off; master_process off; pid ${dir}/pid; error_log ${dir}/logs/error;
events {}
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((k) => `${k}_temp_path ${dir}/body/${k};`).join(" ")}
  server { listen 127.0.0.1:${port}; ${locations} }
}`,
  );
  const p = spawn("/usr/sbin/nginx", ["-p", dir, "-c", dir + "/nginx.conf"], { stdio: "ignore" });
  const ended = new Promise((done) => p.on("exit", done));
  process.on("exit", () => p.kill("SIGKILL"));
  await until("nginx answers", () =>
    fetch("http://127.0.0.1:" + port + "/").then(
      () => true,
      () => false,
    ),
  );
  return {
    url: "http://127.0.0.1:" + port + "/",
    async end() {
      p.kill("SIGKILL");
      await ended;
      fs.rmSync(dir, { recursive: true, force: true });
    },
  };
}

// Behind a proxy each thing that is in the way has its own words, and says what to type.
export async function proxies({ browser, binary, folder }) {
  if (!fs.existsSync("/usr/sbin/nginx")) return "skipped: nginx is not installed";
  let hub = await new Hub(binary, "--sense=off").start();
  const upgrade = 'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";';
  const proxy = await nginx(`
    location / { return 404; }
    location /foreign/ { proxy_pass http://${hub.addr}/; ${upgrade} }
    location /deaf/ { proxy_pass http://${hub.addr}/; proxy_set_header Host $http_host; }
    location /good/ { proxy_pass http://${hub.addr}/; proxy_set_header Host $http_host; ${upgrade} }
    location /else/ws { return 404; }
    location /else/api { default_type text/html; return 200 '<p>Log in here</p>'; }
    location /else/ { proxy_pass http://${hub.addr}/; }`);
  const at = (where) => ({ ...hub, url: proxy.url + where + "/" });
  const visit = async (where, ...words) => {
    const page = await open(browser, at(where), { waits: false });
    for (const w of words) await says(page, w);
    assert(!(await notice(page)).includes("not reached"), where + ": " + (await notice(page)));
    return page;
  };
  try {
    const origin = proxy.url.slice(0, -1);
    const foreign = await visit("foreign", "The hub does not take pages from " + origin, "topicd serve --origin " + origin);
    await foreign.screenshot({ path: folder + "/refused-origin.png" });
    await until("the hub has logged it", () => hub.errs.includes("--origin"));
    await sleep(2500); // it comes again
    const lines = hub.errs.split("\n").filter((l) => l.includes("--origin"));
    assert(lines.length === 1 && lines[0].includes("origin=" + origin), "once, with the origin: " + lines.join("\n"));
    await close(foreign);
    const deaf = await visit("deaf", "no WebSocket gets through", "proxy_set_header Upgrade $http_upgrade;");
    await deaf.screenshot({ path: folder + "/refused-upgrade.png" });
    await close(deaf);
    await close(await visit("else", "Something else answers at"));

    const good = await open(browser, at("good"));
    const example = await good.locator(".blank pre").innerText();
    assert(example === "curl -d 21.5 " + proxy.url + "good/api/pub/greenhouse/1/temp", example);
    await fetch(example.split(" ").at(-1), {
      method: "POST",
      headers: { "Content-Type": "application/x-www-form-urlencoded" }, // as curl says
      body: "21.5",
    });
    await until("the example works where the page is", async () => (await text(good, "greenhouse/1/temp", ".v")) === "21.5");
    await row(good, "greenhouse/1/temp").click();
    await until("and so does a plot", async () => (await good.locator(".figures tbody tr").count()) === 1);
    for (const view of ["log", "chat", "clients", "memory", "hub"]) await go(good, view);
    let links = [];
    await until("there are links", async () => (links = await good.locator(".links a").evaluateAll((all) => all.map((a) => a.href))).length > 3);
    assert(links.every((l) => l.startsWith(proxy.url + "good/")), links.join());
    await hub.stop();
    await says(good, "The proxy at " + proxy.url.slice(7, -1) + " answers, the hub behind it does not (502).");
    await hub.start();
    await live(good);
    await until("the notice goes", async () => (await notice(good)) === "");
    await close(good);

    hub.more.push("--origin", origin);
    await hub.stop();
    await hub.start();
    const let_in = await open(browser, at("foreign"));
    assert((await notice(let_in)) === "", "what the page says to type helps");
    await close(let_in);

    const plain = await open(browser, hub);
    await hub.stop();
    await says(plain, "The hub is not reached.");
    await plain.screenshot({ path: folder + "/refused-gone.png" });
    await hub.start();
    await live(plain);
    await close(plain);
  } finally {
    await proxy.end();
    await hub.end();
  }
}
