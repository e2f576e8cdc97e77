// The page: views, one link, one frame a paint.

import { button, el, fill, icon, put } from "./dom.js";
import { Link } from "./link.js";
import { Topics } from "./topics.js";
import { bytes, fields, rate } from "./reading.js";
import { isDark, keep, recall, setTheme, token } from "./layout.js";
import { TopicsView } from "./topicsview.js";
import { LogView } from "./log.js";
import { ChatView } from "./chat.js";
import { ClientsView } from "./clients.js";
import { MemoryView } from "./memory.js";
import { HubView } from "./hubview.js";
import { Actions } from "./actions.js";
import { Me } from "./me.js";

const $ = (id) => document.getElementById(id);
const topics = new Topics();
let view = null,
  asked = false,
  painted = 0,
  spoken = 0;

function name() {
  let n = recall("name", "");
  if (!n) keep("name", (n = "dashboard-" + Math.random().toString(36).slice(2, 6)));
  return n;
}

// socket is the address of one of the hub's WebSockets, with our token.
function socket(path) {
  const u = new URL(path, location.href.split("#")[0]);
  u.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  u.search = token() ? "?access_token=" + encodeURIComponent(token()) : "";
  return u.href;
}

const link = new Link(() => socket("ws"), name(), {
  state: (l) => {
    showState(l);
    views.forEach((v) => v.state?.(l));
  },
  reading: (m) => {
    const fresh = topics.take(m);
    views.forEach((v) => v.take?.(m, fresh));
    dirty();
  },
  epoch: () => {
    topics.restart();
    views.forEach((v) => v.restart?.());
    say("The hub was restarted: its numbers begin again.");
  },
});

// Background tabs get no frames: nothing is painted there.
function dirty() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(frame);
}

const least = 100; // ms between two paints: ten a second are more than a person reads

function frame(now) {
  if (now - painted < least && now - spoken > 50) {
    requestAnimationFrame(frame);
    return;
  }
  asked = false;
  painted = now;
  view?.paint?.(Date.now() + link.skew);
}

/** soon is dirty for what a person did: painted with the next frame. */
function soon() {
  spoken = performance.now();
  dirty();
}

/** say shows a notice for a while, and notes it in the log. */
function say(text, bad) {
  const box = $("says"),
    p = el("p", { class: bad ? "bad" : "" }, text);
  box.append(p);
  while (box.children.length > 4) box.firstChild.remove();
  setTimeout(() => p.remove(), bad ? 9000 : 5000);
  views.forEach((v) => v.notice?.(text));
}

const page = {
  socket,
  link,
  topics,
  dirty,
  soon,
  say,
  dark: isDark,
  name,
  fields,
  go: (id) => {
    location.hash = id;
  },
};
page.me = new Me(page);
page.rate = () => paced;
page.pace = () => {
  paced = 0;
  pace();
};
page.actions = new Actions(page);
const views = [TopicsView, LogView, ChatView, ClientsView, MemoryView, HubView].map((V) => new V(page));
page.views = Object.fromEntries(views.map((v) => [v.id, v]));

function tabs() {
  fill(
    $("tabs"),
    views.map((v, i) =>
      el(
        "a",
        { href: "#" + v.id, "data-view": v.id, title: v.title + " (" + (i + 1) + ")" },
        icon(v.id),
        el("span", null, v.title),
      ),
    ),
  );
  fill(
    $("tools"),
    button("Open on a phone", () => page.actions.phone(), { icon: "phone" }),
    button("Dark or light", switchTheme, { icon: "theme" }),
    button("Keys and help", () => page.actions.help(views), { icon: "help" }),
  );
}

function switchTheme() {
  setTheme(isDark() ? "light" : "dark");
  themed();
}

function themed() {
  views.forEach((v) => v.themed?.());
  soon();
}

function show() {
  const id = location.hash.slice(1).split("?")[0],
    next = page.views[id] || view || views[0];
  if (next === view) return;
  view?.hide?.();
  view = next;
  document.body.dataset.view = view.id;
  for (const a of $("tabs").children)
    a.dataset.view === view.id ? a.setAttribute("aria-current", "page") : a.removeAttribute("aria-current");
  document.title = view.title + " · " + (link.hub?.hub || "topicd");
  fill($("main"), view.root);
  view.show?.();
  soon();
}

function showState(l) {
  const b = $("state"),
    wait = Math.max(0, Math.ceil((l.retryAt - Date.now()) / 1000));
  const text =
    l.state === "live" ? "Live" : l.state === "connecting" ? "Connecting" : wait ? "Retry in " + wait + " s" : "Reconnecting";
  b.className = "pill " + (l.state === "live" ? "live" : l.state === "connecting" ? "" : "lost");
  put(b.lastChild.firstChild, text);
  b.title =
    l.state === "live"
      ? "Connected to " + l.hub.hub + ", version " + l.hub.version
      : (l.why || "No connection") + ". Press to try now.";
  document.body.classList.toggle("offline", l.state !== "live" && l.lost > 0);
  const n = $("notice");
  if (l.state === "live") {
    put($("hub").firstChild, l.hub.hub);
    document.title = (view?.title || "Topics") + " · " + l.hub.hub;
    n.textContent = "";
    if (l.lost) say("The hub is back.");
  } else if (l.lost && !n.textContent) {
    n.textContent = "The hub is not reached. What you see is what was known; this page goes on by itself when the hub is back.";
  }
}

let counted = 0,
  flow = 0,
  countedAt = performance.now();

function second() {
  if (link.state !== "live") showState(link);
  const now = performance.now(),
    r = ((topics.count - counted) * 1000) / (now - countedAt);
  counted = topics.count;
  countedAt = now;
  flow = flow ? flow * 0.7 + r * 0.3 : r; // topics tell theirs once a second or less
  put(
    $("flow").firstChild || $("flow").appendChild(document.createTextNode("")),
    link.state === "live" ? rate(flow > 0.05 ? flow : 0) || "0 /s" : "–",
  );
  const s = topics.all.get("$sys/stats")?.data;
  const box = $("room");
  box.classList.toggle("unknown", !s?.bytes_budget);
  if (s?.bytes_budget) {
    box.lastChild.value = s.bytes_arena / s.bytes_budget;
    fill(box.firstChild, bytes(s.bytes_arena) + " of " + bytes(s.bytes_budget));
  }
  dirty();
}

// The list says what the stream does not: caps, bytes, who went. Rarer with many topics.
async function listing() {
  if (link.state === "live" && !document.hidden) {
    try {
      const asked = performance.now(),
        a = await link.request({ op: "list", opts: { what: "topics" } });
      const gone = topics.list(a.data, asked);
      views.forEach((v) => v.listed?.(gone));
      pace();
      dirty();
    } catch {
      /* asked again */
    }
  }
  setTimeout(listing, (view?.id === "memory" ? 2000 : 4000) + topics.all.size);
}

// Everything once, then so often that the whole comes to about 800 readings a
// second. A token that may not read everything reads what it may.
let paced = 0,
  reads = [];
function pace() {
  const r = Math.min(4, Math.max(0.2, 800 / Math.max(1, topics.all.size)));
  const may = page.me.data?.subscribe || ["#"],
    now = may.includes("#") || !may.length ? ["#"] : may.filter((p) => p[0] !== "$").slice(0, 64);
  const same = now.join("\n") === reads.join("\n");
  if (same && paced && r > paced / 1.5 && r < paced * 1.5) return;
  paced = r;
  for (const p of reads) if (!now.includes(p)) link.drop(p, "tree");
  reads = now;
  for (const p of reads)
    link.want(
      p,
      "tree",
      { latest: true, rate: r, last: 1 },
      { ok: () => views[0].refused(null), refused: (e) => views[0].refused(e) },
    );
}

function keys(e) {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input,textarea,select,dialog")) return;
  const n = "123456".indexOf(e.key);
  if (n >= 0) page.go(views[n].id);
  else if (e.key === "?") page.actions.help(views);
  else if (e.key === "t") switchTheme();
  else if (e.key === "p") page.actions.publish();
  else if (!view?.key?.(e)) return;
  e.preventDefault();
}

setTheme(recall("theme", ""));
tabs();
addEventListener("hashchange", show);
addEventListener("keydown", keys);
addEventListener("online", () => link.state === "live" || link.reopen());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && link.state === "waiting") link.reopen();
  soon();
});
matchMedia("(prefers-color-scheme: light)").addEventListener("change", themed);
$("state").addEventListener("click", () => link.state === "live" || link.reopen());
page.me.begin().then(() => {
  if (!page.views[location.hash.slice(1)]) history.replaceState(null, "", "#" + recall("view", "topics"));
  show();
  pace();
  link.want("$sys/#", "page", { last: 1 });
  link.open();
  setInterval(second, 1000);
  setTimeout(listing, 700);
});
addEventListener("hashchange", () => view && keep("view", view.id));
