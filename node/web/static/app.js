// The page: views, one link, one frame a paint.

import { button, el, fill, icon, put } from "./dom.js";
import { Link } from "./link.js";
import { Topics } from "./topics.js";
import { bytes, fields, rate, span, stamp } from "./reading.js";
import { isDark, keep, recall, setTheme, token } from "./layout.js";
import { TopicsView } from "./topicsview.js";
import { LogView } from "./log.js";
import { ChatView } from "./chat.js";
import { ClientsView } from "./clients.js";
import { MemoryView } from "./memory.js";
import { HubView } from "./hubview.js";
import { WallView } from "./wallview.js";
import { Focus } from "./focus.js";
import { Past } from "./past.js";
import { Pins } from "./pins.js";
import { askSettings } from "./settings.js";
import { language, tr } from "./lang.js";
import { Actions } from "./actions.js";
import { Me } from "./me.js";
import { Outage } from "./outage.js";
import { format, Route } from "./route.js";

const $ = (id) => document.getElementById(id);
const topics = new Topics();
let view = null,
  asked = false,
  painted = 0, // when
  later = 0; // a timer, until the next frame is asked for

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
    const fresh = topics.take(m, link.clock.now());
    views.forEach((v) => v.take?.(m, fresh));
    dirty();
  },
  epoch: () => {
    topics.restart();
    views.forEach((v) => v.restart?.());
    say(tr("The hub was restarted: its numbers begin again."));
  },
  failed: (opened, said) => outage.failed(opened, said),
  slept: (ms) => topics.slept(ms),
  stepped: (ms) => {
    unset();
    say(
      tr(
        ms > 0
          ? "The hub's clock was set forward by {0}. Plots go on at the new time."
          : "The hub's clock was set back by {0}. Plots go on at the new time.",
        span(Math.abs(ms) / 1000),
      ),
    );
  },
});

// Background tabs get no frames: nothing is painted there.
function dirty() {
  if (asked) return;
  asked = true;
  const wait = painted + least - performance.now();
  if (wait > 0) later = setTimeout(ask, wait); // a frame asked for is one drawn
  else ask();
}

function ask() {
  later = 0;
  requestAnimationFrame(frame);
}

const least = 250; // ms between two paints: more often nobody reads a number

function frame() {
  asked = false;
  painted = performance.now();
  view?.paint?.();
}

/** soon is dirty for what a person did: painted with the next frame. */
function soon() {
  clearTimeout(later);
  if (later || !asked) ask();
  asked = true;
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
  /** restyle has all of it painted anew: other colours or units. */
  restyle: () => themed(),
  changed: () => views.forEach((v) => v.state?.(link)),
  go: (id) => route.go(place(id)),
  /** plotted tells what the topics' view shows now: where Back leads, and the tab. */
  plotted: (names, step) => {
    const { plot } = views[0].pane,
      to = { id: "topics", plots: names, span: recall("span", 300), to: plot.to * 1000 };
    for (const a of $("tabs").children) if (a.dataset.view === "topics") a.href = format(to);
    if (view?.id === "topics") step ? route.go(to) : route.put(to);
    else if (step) views[0].pane.set(names);
    entitle();
  },
};
page.focus = new Focus(link);
page.past = new Past(page);
page.pins = new Pins(topics, () => {
  if (view?.id === "wall") page.hung(document.body.classList.contains("kiosk"));
  soon();
});
/** hung writes where one is when the wall is another, or all that is seen. */
page.hung = (kiosk) => {
  if (view?.id === "wall") route.put({ id: "wall", rest: page.pins.query(kiosk) });
};
const outage = new Outage(page, $("notice"));
page.outage = outage;
page.me = new Me(page);
page.rate = () => (reads[0] === "#" ? paced : Infinity); // who may not read all may not read any folder
page.pace = () => {
  paced = 0;
  pace();
};
page.actions = new Actions(page);
const views = [TopicsView, WallView, LogView, ClientsView, MemoryView, ChatView, HubView].map((V) => new V(page));
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
    button(tr("Open on a phone"), () => page.actions.phone(), { icon: "phone" }),
    button(tr("Dark or light"), switchTheme, { icon: "theme" }),
    button(tr("Settings"), () => askSettings(page), { icon: "settings" }),
    button(tr("Keys and help"), () => page.actions.help(views), { icon: "help" }),
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

addEventListener("hashchange", () => /[#&?]token=/.test(location.hash) && location.reload()); // a link with a token, in this tab
const route = new Route(show);

// A view where it was left: the tree with its plot.
function place(id) {
  const { plot, names } = views[0].pane;
  if (id === "wall") return { id, rest: page.pins.query() };
  return id === "topics" ? { id, plots: names, span: recall("span", 300), to: plot.to * 1000 } : { id };
}

function entitle() {
  const names = view?.id === "topics" ? views[0].pane.names : [];
  document.title = (names.length ? names.join(", ") : view?.title || tr("Topics")) + " · " + (link.hub?.hub || "topicd");
}

function show() {
  const to = route.at,
    next = page.views[to.id] || view || views[0];
  if (next === view) return next.went?.(to);
  view?.hide?.();
  view = next;
  document.body.dataset.view = view.id;
  for (const a of $("tabs").children)
    a.dataset.view === view.id ? a.setAttribute("aria-current", "page") : a.removeAttribute("aria-current");
  keep("view", view.id);
  entitle();
  fill($("main"), view.root);
  view.went?.(to);
  view.show?.();
  soon();
}

function showState(l) {
  const b = $("state"),
    wait = Math.max(0, Math.ceil((l.retryAt - performance.now()) / 1000));
  const text =
    { live: tr("Live"), connecting: tr("Connecting"), refused: tr("Refused") }[l.state] || (wait ? tr("Retry in {0} s", wait) : tr("Reconnecting"));
  b.className = "pill " + (l.state === "live" ? "live" : l.state === "connecting" ? "" : "lost");
  put(b.lastChild.firstChild, text);
  b.title =
    l.state === "live"
      ? tr("Connected to {0}, version {1}", l.hub.hub, l.hub.version)
      : tr("{0}. Press to try now.", l.why || tr("No connection"));
  document.body.classList.toggle("offline", l.state !== "live" && l.lost > 0);
  if (l.state === "live") {
    put($("hub").firstChild, l.hub.hub);
    entitle();
    outage.clear();
    if (l.lost) back(met);
    met = true;
  }
}

// Meanwhile the token may have been given other rights, or the hub another way in.
async function back(met) {
  if (met) say(tr("The hub is back."));
  if (await page.me.ask()) page.me.rights();
}

let met = false, // it was here before
  counted = 0,
  flow = 0,
  countedAt = performance.now();

function second() {
  if (link.state !== "live") showState(link);
  if (performance.now() - countedAt > 5000 && !document.hidden) link.wake(); // the machine slept
  const now = performance.now(),
    r = ((topics.count - counted) * 1000) / (now - countedAt);
  counted = topics.count;
  countedAt = now;
  flow = flow ? flow * 0.7 + r * 0.3 : r; // topics tell theirs once a second or less
  put(
    $("flow").firstChild || $("flow").appendChild(document.createTextNode("")),
    link.state === "live" ? rate(flow > 0.05 ? flow : 0) || "0 /s" : "–",
  );
  unset();
  const s = topics.all.get("$sys/stats")?.data;
  const box = $("room");
  box.classList.toggle("unknown", !s?.bytes_budget);
  if (s?.bytes_budget) {
    box.lastChild.value = s.bytes_arena / s.bytes_budget;
    fill(box.firstChild, tr("{0} of {1}", bytes(s.bytes_arena), bytes(s.bytes_budget)));
  }
  dirty();
}

// A board without a battery begins in 1970: what comes has that time until it knows better.
function unset() {
  const wrong = link.state === "live" && link.clock.now() < Date.UTC(2020),
    text = wrong
      ? tr("The hub's clock is not set: it says {0}. Readings keep that time; plots go on when it is set.", stamp(link.clock.now()).slice(0, 16))
      : "";
  if ($("unset").textContent !== text) $("unset").textContent = text;
}

// The list says what the stream does not: caps, bytes, who went. Rarer with many topics.
async function listing() {
  if (link.state === "live" && !document.hidden) {
    try {
      const asked = performance.now(),
        a = await link.request({ op: "list", opts: { what: "topics" } });
      const gone = topics.list(a.data, asked);
      for (const r of a.data) link.here(r.topic);
      for (const name of gone) link.gone(name);
      page.heard = true;
      views.forEach((v) => v.listed?.(gone));
      pace();
      dirty();
    } catch {
      /* asked again */
    }
  }
  setTimeout(listing, (view?.id === "memory" ? 2000 : 4000) + topics.all.size);
}

// Everything once, then so often that the whole comes to about 100 readings a
// second; what is on the screen comes faster (Focus). A token that may not read
// everything reads what it may.
let paced = 0,
  reads = [],
  away = false; // nobody has looked for a while
function pace() {
  const r = Math.min(4, Math.max(0.05, 100 / Math.max(1, topics.all.size)));
  const may = page.me.data?.subscribe || ["#"],
    now = away ? [] : may.includes("#") || !may.length ? ["#"] : may.filter((p) => p[0] !== "$").slice(0, 64);
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
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input,textarea,select") || document.querySelector("dialog[open]")) return;
  if (e.key === " " && e.target.closest("button,a")) return; // it presses that
  const n = "1234567".indexOf(e.key);
  if (n >= 0) page.go(views[n].id);
  else if (e.key === "?") page.actions.help(views);
  else if (e.key === "t") switchTheme();
  else if (e.key === "p") page.actions.publish();
  else if (!view?.key?.(e)) return;
  e.preventDefault();
}

setTheme(recall("theme", ""));
document.documentElement.lang = language;
for (const e of document.querySelectorAll("[title], [aria-label], .skip")) {
  for (const a of ["title", "aria-label"]) if (e.hasAttribute(a)) e.setAttribute(a, tr(e.getAttribute(a)));
  if (!e.children.length && e.className === "skip") e.textContent = tr(e.textContent);
}
tabs();
addEventListener("keydown", keys);
for (const back of ["online", "pageshow", "focus"]) addEventListener(back, () => link.wake());
document.addEventListener("resume", () => link.wake());
// Who does not look for a while is sent what his plots and his log want, and no more.
let leaving = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(leaving);
  if (document.hidden) return void (leaving = setTimeout(leave, 10000, true));
  link.wake();
  leave(false);
  soon();
});
function leave(gone) {
  if (away === gone) return;
  away = gone;
  pace();
  if (away) page.focus.see([], topics.all, paced);
  else topics.again();
  page.table.again();
}
matchMedia("(prefers-color-scheme: light)").addEventListener("change", themed);
$("state").addEventListener("click", () => link.state === "live" || link.reopen());
page.me.begin().then(() => {
  if (!page.views[route.at.id]) route.put(last());
  show();
  pace();
  link.want("$sys/#", "page", { last: 1 });
  if (page.me.refused && token()) outage.failed(false, "");
  else link.open();
  setInterval(second, 1000);
  setTimeout(listing, 700);
});

// Where one was when the page was left. A phone begins with the list.
function last() {
  const id = recall("view", "topics");
  if (id !== "topics") return place(id);
  return { id, plots: matchMedia("(max-width: 860px)").matches ? [] : recall("plots", []), span: recall("span", 300) };
}
