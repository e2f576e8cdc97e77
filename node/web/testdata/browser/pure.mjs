// The modules that touch no page, by themselves.

import assert from "node:assert/strict";

const from = (name) => import("../../static/" + name + ".js");

export async function pure() {
  const { fields, measure, plain, span, rate, decimals } = await from("reading");
  const one = (data) => fields(data).map((f) => [f.name, f.unit, f.value]);
  assert.deepEqual(one(21.5), [["", "", 21.5]]);
  assert.deepEqual(one(true), [["", "", 1]]);
  assert.deepEqual(one({ u: "Cel", v: 3 }), [["", "Cel", 3]]);
  assert.deepEqual(
    one([
      { bu: "V", bv: 10, n: "a", v: 1 },
      { n: "b", v: 2, u: "A" },
    ]),
    [
      ["a", "V", 11],
      ["b", "A", 12],
    ],
  );
  assert.deepEqual(one({ temp: 1, hum: 2, name: "x" }), [
    ["temp", "", 1],
    ["hum", "", 2],
  ]);
  for (const no of [null, "text", [], [1, 2], [null], {}, { v: "1" }]) assert.deepEqual(one(no), [], JSON.stringify(no));
  assert.equal(plain({ user: "a", text: "b" }), "a: b");
  assert.equal(plain("x".repeat(1000)).length, 161);
  for (const [v, u, d, want] of [
    [21.5, "Cel", undefined, "21.50 °C"],
    [21.5, "Cel", 1, "21.5 °C"],
    [-1234567, "", undefined, "-1,234,567"],
    [0, "W", undefined, "0 W"],
    [1536, "B", undefined, "1.50 KiB"],
    [7200, "s", undefined, "2 h 0 min"],
    [101325, "Pa", undefined, "1,013.3 hPa"],
    [NaN, "V", undefined, "– V"],
    [3, "made up", undefined, "3 made up"],
    [1, "constructor", undefined, "1 constructor"],
  ])
    assert.equal(measure(v, u, d).join(" ").trim(), want);
  assert.equal(decimals(0.1 + 0.2), 1);
  assert.equal(span(90061), "1 d 1 h");
  assert.equal(span(56 * 365.25 * 86400), "56 y");
  assert.deepEqual([0, 0.001, 0.5, 2, 1234].map(rate), ["", "4 /h", "30 /min", "2.0 /s", "1,234 /s"]);

  const { fits } = await from("pattern");
  for (const yes of ["# a", "# a/b", "a/# a", "a/# a/b/c", "+ a", "a/+/c a/b/c", "a a", "$sys/# $sys/stats"])
    assert.ok(fits(...yes.split(" ")), yes);
  for (const no of ["+ a/b", "a/+ a", "# $sys/stats", "+/x $sys/x", "a/b a", "a a/b", "b/# a/b"])
    assert.ok(!fits(...no.split(" ")), no);

  const { Series } = await from("series");
  const s = new Series("t", "", "");
  for (const [seq, ts] of [
    [9, 9000],
    [1, 1000],
    [2, 2000],
    [2, 2000],
    [3, 3000],
    [8, 8000],
  ])
    s.add(seq, ts, seq);
  assert.deepEqual(
    s.tables()[0],
    [
      [1, 2, 3, 3.001, 8, 9],
      [1, 2, 3, null, 8, 9],
    ],
    "numbers that are missing are a gap, in whatever order they come",
  );
  s.restart();
  s.add(1, 10000, 100);
  assert.deepEqual(s.tables()[0][1], [1, 2, 3, null, 8, 9, null, 100], "and so is a restart");
  assert.deepEqual(s.stats(0, 99), { n: 6, min: 1, max: 100, mean: 123 / 6 });
  assert.equal(s.at(2.5), 2);
  s.add(1, 12000, 7, true);
  assert.deepEqual(s.tables()[0][1].slice(-3), [100, null, 7], "and so is a topic that was made anew");
  s.add(1, 12000, 7, true);
  assert.equal(s.v.length, 7, "which is known when it comes again");
  const { nice, runs } = await from("drawn");
  assert.deepEqual(nice(0, 1, 4), [0, 0.25, 0.5, 0.75, 1]);
  assert.deepEqual(nice(3, 5, 8, 1), [3, 4, 5], "whole things have whole marks");
  const as = (v) => v;
  assert.deepEqual(runs([1, 2, 3, 4], [5, null, 7, 8], 0, 4, as, as, false, false), [[1, 5], [3, 7, 4, 8]], "a gap ends a run");
  assert.deepEqual(runs([1, 2], [0, 1], 0, 2, as, as, true, false), [[1, 0, 2, 0, 2, 1]], "on or off has steps");
  const spike = runs([1, 1.1, 1.2, 1.3, 2.4], [5, 9, 1, 4, 6], 0, 5, as, as, false, true);
  assert.deepEqual(spike, [[1.5, 5, 1.5, 1, 1.5, 9, 1.5, 4, 2.5, 6, 2.5, 6, 2.5, 6, 2.5, 6]], "a column has its first, lowest, highest and last");

  const quiet = new Series("t", "", "");
  for (let i = 1; i <= 20; i++) quiet.add(i, i < 15 ? i * 1000 : i * 1000 + 60000, i);
  assert.equal(quiet.tables()[0][1].filter((v) => v === null).length, 1, "a pause is a gap");

  const stepped = new Series("t", "", "");
  for (const [seq, ts] of [
    [1, 5000],
    [2, 6000],
    [3, 1.7e12],
    [4, 1.7e12 + 1000],
    [5, 1.7e12 - 600000],
    [6, 1.7e12 - 599000],
  ])
    stepped.add(seq, ts, seq, true);
  assert.deepEqual(
    stepped.tables().map((t) => t[1]),
    [
      [5, 6],
      [1, 2, null, 3, 4],
    ],
    "where the clock goes back a new piece begins, forward is a pause",
  );
  assert.equal(stepped.tables()[0][0][0], 1.7e9 - 600, "at its own time");
  assert.deepEqual(stepped.stats(1.7e9 - 700, 1.7e9 - 500), { n: 2, min: 5, max: 6, mean: 5.5 });
  assert.equal(stepped.at(1.7e9 - 599.5), 5);
  assert.equal(stepped.at(1.7e9 + 5), 6, "what was set last holds");
  stepped.add(7, 1.7e12 - 601000, 7, true);
  assert.equal(stepped.tables().length, 3, "two seconds back too");
  const door = new Series("t", "", "");
  for (const [seq, ts, v] of [
    [1, 0, 1],
    [2, 3000, 0],
  ])
    door.add(seq, ts, v, true);
  assert.deepEqual(door.share(0, 4), { share: 0.75, n: 1 }, "on for three of four seconds");

  const { parse, write } = await from("json");
  const meter = '{"v":9007199254740993,"s":"9007199254740993","f":1.2345678901234567890,"e":1e300,"n":-12345678901234567890}';
  if (JSON.parse("1", (k, v, c) => Boolean(c?.source))) {
    assert.equal(parse(meter).v, 9007199254740993n);
    assert.equal(parse(meter).n, -12345678901234567890n);
    assert.equal(parse(meter).s, "9007199254740993");
    assert.equal(parse(meter).e, 1e300);
    assert.equal(write(parse('[9007199254740993,"9007199254740993"]')), '[9007199254740993,"9007199254740993"]');
  }
  assert.equal(typeof parse("[" + "9".repeat(50) + "]")[0], "number", "nobody counts that far");
  const big = new Series("t", "", "");
  [9007199254740993n, 9007199254740991, 9007199254740995n].forEach((v, i) => big.add(i + 1, i * 1000, v, true));
  const { min, max } = big.stats(0, 9);
  assert.deepEqual([min, max].map((v) => measure(v, "", 0)[0]), ["9,007,199,254,740,991", "9,007,199,254,740,995"]);

  const { timeStep } = await from("plot");
  for (const wide of [263, 300, 600, 1400])
    for (const s of [60, 300, 900, 3600, 21600, 86400])
      assert.ok(Math.floor(s / timeStep(s, wide)) >= 3, `${s} s on ${wide} px have three times below them`);

  const { format, parse: where } = await from("route");
  const place = (hash) => {
    const { id, plots, span, to } = where(hash);
    return { id, plots, span, to };
  };
  for (const names of [["a/b"], ["a b", "ü/%&?#=+"], Array.from({ length: 8 }, (_, i) => "t/" + i)])
    for (const to of [0, 1.8e12]) {
      const at = { id: "topics", plots: names, span: 300, to };
      assert.deepEqual(place(format(at)), at);
    }
  assert.deepEqual(place("#log"), { id: "log", plots: [], span: 0, to: 0 });

  const pins = await from("pins");
  const hung = {
    items: [["tile", "a/b"], ["plot", "ü:%&=", "c d"]],
    span: 900,
    kiosk: true,
    limits: { "a/b": [1, null], "ü:%&=\nfield": [null, -2.5] },
    units: { Temperature: "°F", Speed: "m/s" },
  };
  assert.deepEqual(pins.parse(pins.format(hung)), hung, "an address says all of a wall: " + pins.format(hung));
  assert.deepEqual(pins.parse("plot=&tile=%&limit=x&span=x&unit=y&kiosk=1&plot=" + "a+".repeat(20)).items, [["tile", "%"], ["plot", "a"]].slice(0, 2));
  const seen = (name, u, v = 1) => ({ name, unit: u, fields: [{ name: "", unit: u, value: v }] });
  assert.deepEqual(
    pins.choose([seen("b/t", "Cel"), seen("a/t", "Cel"), seen("a/v", "V"), seen("gateway/x/t", "Cel"), seen("$sys/x", "Cel")]),
    [["tile", "a/t"], ["tile", "a/v"], ["tile", "b/t"], ["plot", "a/t", "b/t"], ["plot", "a/v"]],
    "a tile of each unit first, and one's own machine last",
  );

  const { keep } = await from("layout");
  const { shown, digitsOf } = await from("units");
  keep("units", { Temperature: "°F", Pressure: "inHg", Speed: "kn" });
  for (const [v, u, d, want] of [
    [21.5, "Cel", 1, "70.7 °F"],
    [-40, "Cel", 0, "-40 °F"],
    [0, "K", 0, "-460 °F"],
    [101325, "Pa", 0, "29.92 inHg"],
    [1013.25, "hPa", 2, "29.92 inHg"],
    [10, "m/s", 0, "19 kn"],
    [36, "km/h", 1, "19.4 kn"],
    [5, "W", 0, "5 W"],
  ])
    assert.equal(measure(v, u, d).join(" "), want);
  assert.deepEqual(shown("made up"), { by: 1, plus: 0, unit: "made up" });
  assert.equal(digitsOf(2, 1), 2);
  keep("units", {});
  assert.equal(measure(21.5, "Cel", 1).join(" "), "21.5 °C", "as sent");

  const { beyond, limitsOf, setLimits } = await from("limits");
  setLimits("a", "", NaN, 5);
  assert.deepEqual([4, 5, 5.1].map((v) => beyond(v, limitsOf("a"))), ["", "", "high"]);
  setLimits("a", "", NaN, NaN);
  assert.equal(limitsOf("a"), undefined);

  const { rowsOf } = await from("tree");
  const { Topics } = await from("topics");
  const topics = new Topics();
  for (const name of ["a/b/c", "a/b/d", "a2", "a10", "x/only/one", "a"]) topics.take({ topic: name, seq: 1, ts: 1, data: 1 }, 1);
  const rows = (o) => rowsOf(topics.all.values(), o).map((r) => "  ".repeat(r.depth) + r.label + (r.topic ? "" : "/"));
  assert.deepEqual(rows({}), ["a2", "a10", "x/only/one", "a", "a/b/", "  c", "  d"]);
  assert.deepEqual(rows({ closed: new Set(["a/b"]) }), ["a2", "a10", "x/only/one", "a", "a/b/"]);
  assert.deepEqual(rows({ flat: true, filter: "A B" }), ["a/b/c", "a/b/d"]);
  assert.equal(topics.take({ topic: "a2", seq: 1, ts: 1, data: 5 }, 1), false, "once");
  assert.equal(topics.take({ topic: "a2", seq: 11, ts: 2001, data: 5, live: false }, 2001), true);
  assert.equal(topics.all.get("a2").rate, 5, "the rate counts what was left out");
  assert.deepEqual(topics.list([{ topic: "a2", seq: 11 }], Infinity).sort(), ["a", "a/b/c", "a/b/d", "a10", "x/only/one"]);
}
