// Sparklines: a line of the last values, drawn when it is on the screen.

import { ringSize } from "./topics.js";

const youngest = 16; // values that a line is as wide as at least

/** draw paints a topic's ring on a canvas of w×h CSS pixels, filled below where that is wanted. */
export function draw(canvas, t, w, h, colour, filled) {
  const scale = Math.min(2, devicePixelRatio || 1);
  if (canvas.width !== w * scale || canvas.height !== h * scale) {
    canvas.width = w * scale;
    canvas.height = h * scale;
  }
  const g = canvas.getContext("2d");
  g.setTransform(scale, 0, 0, scale, 0, 0);
  g.clearRect(0, 0, w, h);
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
    top = 3,
    tall = h - 6,
    from = t.at - n,
    step = (w - 5) / (Math.max(n, youngest) - 1), // a young topic's fills its place soon
    left = 1;
  const y = (v) => (max === min ? h / 2 : top + tall - ((v - min) / range) * tall);
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
    g.lineTo(x - step, h);
    g.lineTo(left, h);
    const fade = g.createLinearGradient(0, 0, 0, h);
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
