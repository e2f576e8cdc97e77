// A screenshot with at most 256 colours: a third of the bytes.

import zlib from "node:zlib";

// The pixels of a PNG as Chromium writes it: 8 bits, RGB or RGBA, not interlaced.
function decode(png) {
  const width = png.readUInt32BE(16),
    height = png.readUInt32BE(20),
    per = png[25] === 6 ? 4 : 3,
    parts = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at))
    if (png.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  const raw = zlib.inflateSync(Buffer.concat(parts)),
    line = width * per,
    out = Buffer.alloc(height * line);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (line + 1)];
    for (let x = 0; x < line; x++) {
      const at = y * line + x,
        a = x >= per ? out[at - per] : 0,
        b = y ? out[at - line] : 0,
        c = x >= per && y ? out[at - line - per] : 0,
        [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
      const paeth = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
      out[at] = raw[y * (line + 1) + 1 + x] + [0, a, b, (a + b) >> 1, paeth][filter];
    }
  }
  return { width, height, per, out };
}

// CRC-32 of ISO 3309; zlib has its own only in newer versions of Node.js.
function crc32(bytes) {
  let crc = -1;
  for (const b of bytes) {
    crc ^= b;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]),
    ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}

/** few is a PNG with its 256 commonest colours, the others as the nearest of these. */
export function few(png) {
  const { width, height, per, out } = decode(png),
    count = new Map(),
    at = (i) => (out[i] << 16) | (out[i + 1] << 8) | out[i + 2];
  for (let i = 0; i < out.length; i += per) count.set(at(i), (count.get(at(i)) || 0) + 1);
  // Colours that lie close to a commoner one do not take a place.
  const kept = [],
    far = (a, b) => Math.max(Math.abs((a >> 16) - (b >> 16)), Math.abs(((a >> 8) & 255) - ((b >> 8) & 255)), Math.abs((a & 255) - (b & 255)));
  for (const [colour] of [...count].sort((a, b) => b[1] - a[1])) {
    if (kept.length === 256) break;
    if (!kept.some((k) => far(k, colour) < 5)) kept.push(colour);
  }
  const place = new Map();
  for (const colour of count.keys()) place.set(colour, kept.reduce((best, k, i) => (far(k, colour) < far(kept[best], colour) ? i : best), 0));
  const rows = Buffer.alloc(height * (width + 1));
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = place.get(at((y * width + x) * per));
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3, 0, 0, 0], 8);
  const palette = Buffer.from(kept.flatMap((k) => [k >> 16, (k >> 8) & 255, k & 255]));
  const data = zlib.deflateSync(rows, { level: 9 });
  return Buffer.concat([png.subarray(0, 8), chunk("IHDR", head), chunk("PLTE", palette), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}
