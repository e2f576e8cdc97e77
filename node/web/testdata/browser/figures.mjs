// What the page says of numbers and times, where it is easily wrong: modules by themselves.

import assert from "node:assert/strict";

const from = (name) => import("../../static/" + name + ".js");

export async function figures() {
  const { axisLabels, decimals, measure } = await from("reading");
  assert.deepEqual(axisLabels([512.2, 512.4, 512.6].map((v) => v * 2 ** 20), "B"), ["512.2 MiB", "512.4 MiB", "512.6 MiB"], "each mark says another");
  assert.deepEqual(axisLabels([0, 2 ** 29, 2 ** 30], "B"), ["0.0 GiB", "0.5 GiB", "1.0 GiB"]);
  assert.deepEqual(axisLabels([0, 500, 1000], "B/s"), ["0 B/s", "500 B/s", "1,000 B/s"]);
  assert.deepEqual(axisLabels([180, 190, 200], "s"), ["180 s", "190 s", "200 s"]);
  assert.deepEqual(axisLabels([0, 3600, 7200], "s"), ["0 s", "1 h 0 min", "2 h 0 min"]);
  assert.deepEqual(axisLabels([0, 2e-8, 4e-8], "mbar"), ["0×10⁻⁸ mbar", "2×10⁻⁸ mbar", "4×10⁻⁸ mbar"], "a vacuum");
  assert.deepEqual(axisLabels([1.00000001, 1.00000002], "V"), ["1.00000001 V", "1.00000002 V"]);
  assert.deepEqual(axisLabels([0, 5e17], "")[1], "5×10¹⁷");
  assert.deepEqual([0, 3e-8, -3e-8, 0.1 + 0.2, 21.5, Math.fround(0.1)].map((v) => measure(v, "", decimals(v))[0]), ["0", "3.00×10⁻⁸", "-3.00×10⁻⁸", "0.3", "21.5", "0.1"]);
  assert.equal(measure(-7200, "s").join(" ").trim(), "-2 h 0 min", "what lies ahead");
  assert.equal(measure(-0.04, "Cel", 1)[0], "0.0");
  assert.equal(measure(-0.06, "Cel", 1)[0], "-0.1");
  await summer();
  await slept();
  await gateways();
  await listed();
  await left();
  await night();
  await durable();
}

// The clocks of Berlin went forward on 29 March 2026 and back on 25 October.
async function summer() {
  const zone = process.env.TZ;
  process.env.TZ = "Europe/Berlin";
  const { timeMarks } = await from("plot"),
    at = (text) => Date.parse(text) / 1000,
    marks = (a, b, wide) => timeMarks(at(a), at(b), wide).map((m) => m[1]);
  const days = ["27 Mar", "28 Mar", "29 Mar", "30 Mar", "31 Mar"];
  assert.deepEqual(marks("2026-03-26T12:00+01:00", "2026-03-31T12:00+02:00", 300), days.map((d) => new Date(d + " 2026").toLocaleDateString("en", { day: "numeric", month: "short" })), "a day begins at its midnight");
  assert.deepEqual(marks("2026-10-24T20:00+02:00", "2026-10-25T12:00+01:00", 300).slice(0, 2), ["21:00", new Date("2026-10-25").toLocaleDateString("en", { day: "numeric", month: "short" })]);
  assert.deepEqual(marks("2026-03-29T00:30+01:00", "2026-03-29T04:30+02:00", 300), ["00:30", "01:00", "01:30", "03:00", "03:30", "04:00", "04:30"], "two o'clock there is none");
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
}

// A laptop sleeps for eight hours: performance.now() stands still in some browsers.
async function slept() {
  const { Clock } = await from("clock"),
    { Topics } = await from("topics"),
    topics = new Topics(),
    wall = Date.now;
  let asleep = 0;
  Date.now = () => wall() + asleep;
  try {
    const stepped = [],
      clock = new Clock({ doubt() {}, stepped: (by) => stepped.push(by), slept: (ms) => topics.slept(ms) });
    clock.told(Date.now());
    topics.take({ topic: "a", seq: 1, ts: Date.now(), data: 1, live: true }, clock.now());
    asleep = 8 * 3600000;
    clock.told(Date.now());
    assert.ok(topics.all.get("a").age >= asleep - 1, "what came before is eight hours old, not " + topics.all.get("a").age);
    assert.deepEqual(stepped, [], "and the hub's clock was not set");
  } finally {
    Date.now = wall;
  }
}

// Readings that gateways have brought bear the times of their clocks: those are not the
// hub's, which would be set forth and back with each of them.
async function gateways() {
  const { Clock } = await from("clock"),
    stepped = [];
  let asked = 0;
  const clock = new Clock({ doubt: () => asked++, stepped: (ms) => stepped.push(Math.round(ms / 1000)) });
  clock.told(Date.now());
  for (const ahead of [3600, -3600, 5, -1.7e9]) {
    clock.seen(Date.now() + ahead * 1000);
    clock.told(Date.now()); // the hub says
  }
  assert.deepEqual([asked, stepped], [4, []], "the hub is asked, and its clock was not set");
  clock.seen(Date.now() + 7200e3);
  clock.told(Date.now() + 7200e3);
  assert.deepEqual([asked, stepped], [5, [7200]], "now it was");
}

// A long list comes in parts; what was heard meanwhile is newer than its first part.
async function listed() {
  const { Topics } = await from("topics"),
    topics = new Topics(),
    asked = performance.now() - 1;
  topics.take({ topic: "a", seq: 6, ts: 1000, data: 1, live: true }, 1000);
  topics.take({ topic: "a", seq: 7, ts: 1001, data: 1, live: true }, 1001);
  topics.take({ topic: "a", seq: 90007, ts: 9e6, data: 1, live: false }, 9e6);
  assert.equal(topics.count, 1, "what came while the page slept is not the flow of now");
  topics.take({ topic: "a", seq: 6, ts: 9e6, data: 1, live: true }, 9e6);
  topics.list([{ topic: "a", seq: 5 }], asked);
  assert.equal(topics.all.get("a").seq, 6, "it has its reading still");
  topics.list([{ topic: "a", seq: 5 }], performance.now() + 1);
  assert.equal(topics.all.get("a").seq, 0, "another of that name has none yet");
}

// A page that is open for weeks hears of thousands who came and went, each by another name.
async function left() {
  const { Topics } = await from("topics"),
    topics = new Topics(),
    presence = (client, state) => topics.take({ topic: "$sys/presence/" + client, seq: 1, ts: 0, data: { client, state }, live: false }, 3600000);
  topics.take({ topic: "a", seq: 1, ts: 0, data: 1, from: "esp", live: false }, 3600000);
  for (const [client, state] of [["c1", "offline"], ["c2", "online"], ["esp", "offline"]]) presence(client, state);
  topics.take({ topic: "$sys/relay/room", seq: 1, ts: 0, data: { what: "leave" }, live: false }, 3600000);
  topics.take({ topic: "$sys/relay/open", seq: 1, ts: 0, data: { what: "join" }, live: false }, 60000);
  topics.offline = new Set(["c1", "esp"]);
  topics.list([{ topic: "a", seq: 1 }], Infinity);
  assert.deepEqual([...topics.all.keys()], ["a", "$sys/presence/c2", "$sys/relay/open"], "who left an hour ago is forgotten, and what the hub told of a room");
  assert.deepEqual([...topics.offline], ["esp"], "a topic's sender is known still");
}

// The page sleeps for a night; what it missed stands in the hub's minutes.
async function night() {
  const { Series } = await from("series"),
    { piecesOf, pointsOf, statsOf, valueAt } = await from("history"),
    line = new Series("t", "", "");
  for (let i = 0; i < 120; i++) line.add(i + 1, i * 1000, 1, true);
  for (let i = 0; i < 120; i++) line.add(i + 40001, (40000 + i) * 1000, 3, true);
  const t = Array.from({ length: 700 }, (_, i) => i * 60),
    of = (v) => t.map(() => v);
  line.past = { step: 60, of: () => ({ t, low: of(1), mean: of(2), high: of(9), n: of(60) }) };
  const [readings, minutes] = piecesOf(line, 0, 41000);
  assert.equal(readings.length, 2, "the readings");
  const [xs, means, lows] = minutes;
  assert.ok(xs[0] < 200 && xs.at(-1) === 40000 && means.at(-1) === 3 && lows.length === xs.length, "and what lies between, up to them: " + xs[0] + " to " + xs.at(-1));
  assert.ok(!means.includes(null), "without a hole");
  const inside = t.filter((x) => x >= 119 && x + 60 <= 40000).length,
    s = statsOf(line, 0, 41000);
  assert.deepEqual([s.n, s.min, s.max], [240 + inside * 60, 1, 9], "figures have it, once");
  assert.equal(valueAt(line, 20000), 2, "so has the read-out");
  assert.deepEqual(pointsOf(line, 10000, 10120), [[10020, 2], [10080, 2]], "and a file");
  assert.deepEqual([valueAt(line, 60.5), valueAt(line, 40060)], [1, 3], "where there are readings they count");
}

// After a crash the readings of a durable topic come once more, under a new epoch.
async function durable() {
  const { Series, Words } = await from("series"),
    line = new Series("t", "", ""),
    words = new Words();
  const all = (add) => [1, 2, 3].forEach((seq) => add({ seq, ts: seq * 1000, data: "x" + seq }));
  const readings = (live) => all((m) => (line.add(m.seq, m.ts, m.seq, live), words.add({ ...m, live })));
  readings(true);
  line.restart();
  words.restart();
  readings(false);
  assert.deepEqual(line.stats(0, 9), { n: 3, min: 1, max: 3, mean: 2 }, "each counts once");
  assert.equal(words.list.length, 3, "each is said once");
  line.add(4, 3000, 8, true);
  line.add(9, 9000, 9, false);
  assert.equal(line.v.length, 5, "what is new is added");
}
