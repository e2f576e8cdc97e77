// JSON whose whole numbers keep all their digits: a meter's 9007199254740993 is
// no ...992. Those that a number cannot hold are BigInts, in a browser that shows
// JSON.parse's sources; elsewhere they are rounded.

const longest = 40; // digits; more is no number that anybody counts with

/** parse is JSON.parse; only texts with long numbers pay for it. */
export function parse(text) {
  return /\d{16}/.test(text) ? JSON.parse(text, whole) : JSON.parse(text);
}

function whole(key, v, context) {
  if (typeof v !== "number" || Number.isSafeInteger(v) || !context?.source) return v;
  return context.source.length <= longest && /^-?\d+$/.test(context.source) ? BigInt(context.source) : v;
}

/** write is JSON.stringify. */
export function write(v, indent) {
  return JSON.stringify(v, digits, indent);
}

function digits(key, v) {
  return typeof v === "bigint" ? (JSON.rawJSON ? JSON.rawJSON(String(v)) : String(v)) : v;
}
