// Sparklines: a line of the last values, drawn when it is on the screen.
// Those of the tree share a canvas: one for each row costs the browser more than the lines do.

import { ringSize } from "./topics.js";

const youngest = 16; // values that a line is as wide as at least

/** Seldom says when lines are drawn again: once a second is enough for a trend, and each is dear. */
export class Seldom {
  #last = -Infinity;

  /** due tells, once for a frame, whether those that changed are drawn now. */
  due() {
    const now = performance.now();
    if (now - this.#last < 950) return false;
    this.#last = now;
    return true;
  }
}

/** fit has a canvas be of w×h CSS pixels, and tells whether it was of others: then it is empty. */
export function fit(canvas, w, h) {
  const scale = Math.min(2, devicePixelRatio || 1);
  if (canvas.width === Math.round(w * scale) && canvas.height === Math.round(h * scale)) return false;
  canvas.width = Math.round(w * scale);
  canvas.height = Math.round(h * scale);
  canvas.getContext("2d").scale(scale, scale);
  return true;
}

/** draw paints a topic's ring on w×h pixels of a canvas from a y on, filled below where that is wanted. */
export function draw(canvas, t, w, h, colour, { y: above = 0, filled = false } = {}) {
  const g = canvas.getContext("2d");
  g.clearRect(0, above, w, h);
  const n = Math.min(t.at, ringSize);
  if (n < 2) return;
  let min = Infinity,
    max = -Infinity;
  for (let i = 0; i < n; i++) {
    const v = t.ring[i];
    if (v < min) min = v;
    if (v > max) max = v;
  }
  const range = max - min || 1,
    top = above + 3,
    tall = h - 6,
    from = t.at - n,
    step = (w - 5) / (Math.max(n, youngest) - 1), // a young topic's fills its place soon
    left = 1;
  const y = (v) => (max === min ? above + h / 2 : top + tall - ((v - min) / range) * tall);
  g.beginPath();
  let x = left,
    last = 0;
  for (let i = 0; i < n; i++, x += step) {
    last = y(t.ring[(from + i) % ringSize]);
    if (i) g.lineTo(x, last);
    else g.moveTo(x, last);
  }
  g.lineWidth = 1.25;
  g.lineJoin = "round";
  g.strokeStyle = colour;
  g.stroke();
  if (filled) {
    g.lineTo(x - step, above + h);
    g.lineTo(left, above + h);
    const fade = g.createLinearGradient(0, above, 0, above + h);
    fade.addColorStop(0, colour + "40");
    fade.addColorStop(1, colour + "00");
    g.fillStyle = fade;
    g.fill();
  }
  g.beginPath();
  g.arc(x - step, last, 1.75, 0, 7);
  g.fillStyle = colour;
  g.fill();
}
