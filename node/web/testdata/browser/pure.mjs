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
  assert.deepEqual([0, 0.001, 0.5, 2, 1234].map(rate), ["", "4 /h", "30 /min", "2.0 /s", "1,234 /s"]);

  const { fits } = await from("pattern");
  for (const yes of ["# a", "# a/b", "a/# a", "a/# a/b/c", "+ a", "a/+/c a/b/c", "a a", "$sys/# $sys/stats"])
    assert.ok(fits(...yes.split(" ")), yes);
  for (const no of ["+ a/b", "a/+ a", "# $sys/stats", "+/x $sys/x", "a/b a", "a a/b", "b/# a/b"])
    assert.ok(!fits(...no.split(" ")), no);

  const { Series, together } = await from("series");
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
    s.table(),
    [
      [1, 2, 3, 3.001, 8, 9],
      [1, 2, 3, null, 8, 9],
    ],
    "numbers that are missing are a gap, in whatever order they come",
  );
  s.restart();
  s.add(1, 10000, 100);
  assert.deepEqual(s.table()[1], [1, 2, 3, null, 8, 9, null, 100], "and so is a restart");
  assert.deepEqual(s.stats(0, 99), { n: 6, min: 1, max: 100, mean: 123 / 6 });
  assert.equal(s.at(2.5), 2);
  s.add(1, 12000, 7);
  assert.deepEqual(s.table()[1].slice(-3), [100, null, 7], "and so is a topic that was made anew");
  s.add(1, 12000, 7);
  assert.equal(s.v.length, 7, "which is known when it comes again");
  const _ = undefined;
  assert.deepEqual(
    together(
      () => [[1, 2, 2.5, 3, 4, 5], [1, _, null, _, _, 5], [1, 2, _, 3, 4, _]],
      [],
    ).slice(1),
    [
      [1, _, null, null, null, 5],
      [1, 2, _, 3, 4, _],
    ],
    "a gap is one beside others that have none",
  );
  const quiet = new Series("t", "", "");
  for (let i = 1; i <= 20; i++) quiet.add(i, i < 15 ? i * 1000 : i * 1000 + 60000, i);
  assert.equal(quiet.table()[1].filter((v) => v === null).length, 1, "a pause is a gap");

  const { rowsOf } = await from("tree");
  const { Topics } = await from("topics");
  const topics = new Topics();
  for (const name of ["a/b/c", "a/b/d", "a2", "a10", "x/only/one", "a"]) topics.take({ topic: name, seq: 1, ts: 1, data: 1 });
  const rows = (o) => rowsOf(topics.all.values(), o).map((r) => "  ".repeat(r.depth) + r.label + (r.topic ? "" : "/"));
  assert.deepEqual(rows({}), ["a2", "a10", "x/only/one", "a", "a/b/", "  c", "  d"]);
  assert.deepEqual(rows({ closed: new Set(["a/b"]) }), ["a2", "a10", "x/only/one", "a", "a/b/"]);
  assert.deepEqual(rows({ flat: true, filter: "A B" }), ["a/b/c", "a/b/d"]);
  assert.equal(topics.take({ topic: "a2", seq: 1, ts: 1, data: 5 }), false, "once");
  assert.equal(topics.take({ topic: "a2", seq: 11, ts: 2001, data: 5 }), true);
  assert.equal(topics.all.get("a2").rate, 5, "the rate counts what was left out");
  assert.deepEqual(topics.list([{ topic: "a2", seq: 11 }], Infinity).sort(), ["a", "a/b/c", "a/b/d", "a10", "x/only/one"]);
}
