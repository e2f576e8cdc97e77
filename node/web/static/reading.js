// What a reading says: SenML (RFC 8428), a number, or anything else as text.

import { write } from "./json.js";
import { comma, language } from "./lang.js";
import { digitsOf, shown } from "./units.js";

// SenML's units as people write them.
const signs = {
  Cel: "°C",
  K: "K",
  "/100": "%",
  "%": "%",
  "%RH": "% RH",
  "%EL": "%",
  "/": "",
  m: "m",
  mm: "mm",
  "m/s": "m/s",
  "km/h": "km/h",
  kn: "kn",
  "m/s2": "m/s²",
  deg: "°",
  rad: "rad",
  lat: "°",
  lon: "°",
  V: "V",
  mV: "mV",
  A: "A",
  mA: "mA",
  W: "W",
  kW: "kW",
  Wh: "Wh",
  kWh: "kWh",
  Hz: "Hz",
  "1/s": "/s",
  "1/min": "/min",
  Pa: "Pa",
  hPa: "hPa",
  bar: "bar",
  lx: "lx",
  l: "l",
  "l/s": "l/s",
  "l/min": "l/min",
  m3: "m³",
  "m3/s": "m³/s",
  kg: "kg",
  g: "g",
  ppm: "ppm",
  pH: "pH",
  "S/m": "S/m",
  "ug/m3": "µg/m³",
  dB: "dB",
  dBm: "dBm",
  dBW: "dBW",
  "B/s": "B/s",
  "bit/s": "bit/s",
  beat: "",
  "beat/m": "bpm",
  count: "",
  ohm: "Ω",
  Ohm: "Ω",
  s: "s",
  ms: "ms",
  min: "min",
  h: "h",
  rpm: "rpm",
};

/** sign is a unit as it is shown. */
export function sign(unit) {
  return Object.hasOwn(signs, unit) ? signs[unit] : unit;
}

const none = [];
const isNumber = (v) => typeof v === "number" || typeof v === "bigint";

/**
 * fields are the numbers in a reading: [{name, unit, value, word}]. A pack or an
 * object has several, at most eight are taken. A boolean is 0 or 1, and its word.
 */
export function fields(data) {
  if (isNumber(data)) return [{ name: "", unit: "", value: data }];
  if (typeof data === "boolean") return [{ name: "", unit: "", value: data ? 1 : 0, word: String(data) }];
  if (data === null || typeof data !== "object") return none;
  if (Array.isArray(data)) return pack(data);
  const one = record(data, "");
  if (one) return [one];
  const list = [];
  for (const [name, value] of Object.entries(data)) {
    if (isNumber(value) && list.length < 8) list.push({ name, unit: "", value });
  }
  return list;
}

function record(r, bu) {
  const unit = typeof r.u === "string" ? r.u : bu;
  if (isNumber(r.v)) return { name: typeof r.n === "string" ? r.n : "", unit, value: r.v };
  if (typeof r.vb === "boolean")
    return { name: typeof r.n === "string" ? r.n : "", unit, value: r.vb ? 1 : 0, word: String(r.vb) };
  return null;
}

function pack(list) {
  const out = [];
  let bu = "",
    bv = 0;
  for (const r of list) {
    if (r === null || typeof r !== "object" || Array.isArray(r)) return none;
    if (typeof r.bu === "string") bu = r.bu;
    if (typeof r.bv === "number") bv = r.bv;
    const f = record(r, bu);
    if (f && out.length < 8) out.push(bv ? { ...f, value: Number(f.value) + bv } : f);
  }
  return out;
}

/** summary is several fields as one line. */
export function summary(list) {
  return list.map((f) => (f.name + " " + (f.word || measure(f.value, f.unit, decimals(f.value)).join(" "))).trim()).join(" · ");
}

/** plain is a reading without a number as one short line. */
export function plain(data, most = 160) {
  if (data === undefined) return "";
  if (data !== null && typeof data === "object" && !Array.isArray(data)) {
    if (typeof data.vs === "string") return cut(data.vs, most);
    if (typeof data.user === "string" && typeof data.text === "string") return cut(data.user + ": " + data.text, most);
  }
  return cut(typeof data === "string" ? data : write(data), most);
}

function cut(s, most) {
  return s.length > most ? s.slice(0, most) + "…" : s;
}

/** pretty is a reading as a person would write it down, at most 64 Ki characters. */
export function pretty(data) {
  if (data === undefined) return "";
  return cut(typeof data === "string" ? data : write(data, 1), 65536);
}

/** decimals is how many a value came with, four at most. */
export function decimals(v) {
  if (typeof v === "bigint") return 0;
  const near = 1e-7 * Math.min(1, Math.abs(v)); // 3e-8 is no 0
  for (let d = 0, m = 1; d < 4; d++, m *= 10) if (Math.abs(v * m - Math.round(v * m)) <= near * m) return d;
  return 4;
}

/** number writes a value: with so many decimals, or about four digits that matter. */
export function number(v, digits) {
  if (typeof v === "bigint" || (Number.isSafeInteger(v) && Math.abs(v) >= 1e12)) return group(String(v)); // to be read, not judged
  if (!Number.isFinite(v)) return "–";
  const a = Math.abs(v);
  if (digits !== undefined && a < 1e12 && (digits < 4 || a >= 1)) return group(v.toFixed(digits === 4 ? 3 : digits));
  if (Number.isInteger(v) && a < 1e12) return group(v.toFixed(0));
  if (a >= 1e12 || (a > 0 && a < 1e-3)) {
    const [m, e] = v.toExponential(2).split("e");
    return group(m) + tens(Number(e));
  }
  return group(v.toFixed(a >= 1000 ? 0 : a >= 100 ? 1 : a >= 1 ? 2 : a >= 0.1 ? 3 : 4));
}

const tens = (e) => "×10" + [...String(e)].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");

// The language's points and commas.
function group(s) {
  if (/^-[0.]+$/.test(s)) s = s.slice(1); // no -0.0
  const dot = s.indexOf("."),
    end = dot < 0 ? s.length : dot;
  let out = dot < 0 ? "" : comma.decimal + s.slice(dot + 1);
  for (let i = end; i > 0; i -= 3) out = s.slice(Math.max(0, i - 3), i) + (i < end && s[i - 1] !== "-" ? comma.group : "") + out;
  return out.startsWith("-" + comma.group) ? "-" + out.slice(1 + comma.group.length) : out;
}

/** measure is a value and its unit, as two texts: in the unit that was chosen, bytes and seconds in their larger ones. */
export function measure(v, unit, digits) {
  if (typeof v === "bigint" && ["B", "B/s", "s"].includes(unit)) v = Number(v);
  if (unit === "B") return scaled(v, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
  if (unit === "B/s") return scaled(v, 1024, ["B/s", "KiB/s", "MiB/s", "GiB/s"]);
  if (unit === "s" && Math.abs(v) >= 180) return [(v < 0 ? "-" : "") + span(Math.abs(v)), ""];
  const to = shown(sign(unit));
  if (to.by !== 1 || to.plus) return [number(Number(v) * to.by + to.plus, digitsOf(digits, to.by)), to.unit];
  if (unit === "Pa" && v > 50000 && v < 120000) return [group((v / 100).toFixed(1)), "hPa"];
  return [number(v, digits), to.unit];
}

/** axisLabels are the labels of an axis, all in one unit and with the same digits; at is in the unit that is shown. */
export function axisLabels(at, unit) {
  if (!at.length) return at;
  if (unit === "s") {
    const spans = at.map((v) => measure(v, unit).join(" ").trim());
    if (new Set(spans).size === at.length) return spans; // else they are too near to each other
  }
  const top = Math.max(...at.map(Math.abs)),
    size = /^B(\/s)?$/.test(unit) ? Math.min(3, Math.floor(Math.log2(Math.max(1, top)) / 10)) : 0,
    e = !size && top && (top < 1e-4 || top >= 1e15) ? Math.floor(Math.log10(top)) : 0,
    to = size ? ["", "Ki", "Mi", "Gi"][size] + unit : shown(sign(unit)).unit,
    scale = size ? 1024 ** size : e ? 10 ** e : to === "Pa" && Math.abs(at[0]) > 50000 ? 100 : 1,
    step = at.length > 1 ? Math.abs(at[1] - at[0]) / scale : 1;
  let digits = 0;
  while (digits < 12 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6 * 10 ** digits * step) digits++;
  const name = scale === 100 ? "hPa" : to;
  return at.map((v) => group((v / scale).toFixed(digits)) + (e ? tens(e) : "") + (name ? " " + name : ""));
}

function scaled(v, by, names) {
  let i = 0,
    a = Math.abs(v);
  for (; a >= by && i < names.length - 1; i++) {
    a /= by;
    v /= by;
  }
  return [i === 0 ? number(v) : group(v.toFixed(a < 10 ? 2 : a < 100 ? 1 : 0)), names[i]];
}

/** bytes is a size as one text. */
export function bytes(n) {
  return measure(n, "B").join(" ");
}

/** span is a time in its two largest units: 3 d 4 h. */
export function span(s) {
  s = Math.max(0, Math.floor(s));
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min";
  if (s < 86400) return Math.floor(s / 3600) + " h" + (s < 36000 ? " " + Math.floor((s % 3600) / 60) + " min" : "");
  if (s >= 730 * 86400) return Math.floor(s / 31557600) + " y";
  return Math.floor(s / 86400) + " d" + (s < 864000 ? " " + Math.floor((s % 86400) / 3600) + " h" : "");
}

/** rate is so many a second. */
export function rate(r) {
  if (!(r > 0)) return "";
  if (r >= 0.95) return group(r.toFixed(r < 10 ? 1 : 0)) + " /s";
  return r * 60 >= 0.95 ? group((r * 60).toFixed(r * 60 < 9.95 ? 1 : 0)) + " /min" : (r * 3600).toFixed(0) + " /h";
}

const two = (n) => (n < 10 ? "0" + n : "" + n);

/** clock is a time of day of milliseconds since 1970. */
export function clock(ms, milli) {
  const d = new Date(ms),
    s = two(d.getHours()) + ":" + two(d.getMinutes()) + ":" + two(d.getSeconds());
  return milli ? s + "." + String(d.getMilliseconds()).padStart(3, "0") : s;
}

/** day is the date of milliseconds since 1970, short. */
export function day(ms) {
  return new Date(ms).toLocaleDateString(language, { day: "numeric", month: "short" });
}

/** stamp is clock with the day, where that is not today; whole: always. */
export function stamp(ms, whole) {
  const d = new Date(ms);
  return (
    (!whole && d.toDateString() === new Date().toDateString()
      ? ""
      : d.getFullYear() + "-" + two(d.getMonth() + 1) + "-" + two(d.getDate()) + " ") + clock(ms)
  );
}
