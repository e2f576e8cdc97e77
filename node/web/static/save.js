// A plot as a file: CSV as the locale's spreadsheet reads it, or a picture.

import { save, saveText } from "./api.js";
import { pointsOf } from "./history.js";
import { language } from "./lang.js";
import { recall } from "./layout.js";
import { look } from "./look.js";
import { sign, stamp } from "./reading.js";

// Where decimals have a comma, cells are split by semicolons.
function sheet() {
  const wish = recall("csv", ""),
    locale = recall("language", "") ? language : navigator.language,
    comma = wish ? wish === "comma" : new Intl.NumberFormat(locale).format(0.5).includes(",");
  return comma ? { sep: ";", decimal: "," } : { sep: ",", decimal: "." };
}

const nameOf = (names, kind) => (names.length === 1 ? names[0].replaceAll("/", "-") : "topics") + "." + kind;

/** saveCSV is to now from the hub, which has more than is drawn; an older time as it is drawn. */
export async function saveCSV(names, lines, plot) {
  const { sep, decimal } = sheet(),
    since = Math.ceil(plot.now() - (plot.end - plot.span));
  if (plot.to === 0) {
    const q = new URLSearchParams({ format: "csv", bom: "1", sep, decimal, since: "-" + since });
    for (const n of names) q.append("topic", n);
    try {
      return await save("api/export?" + q, nameOf(names, "csv"));
    } catch {
      /* as it is drawn, then */
    }
  }
  const rows = [["time", "topic", "value", "unit"].join(sep)];
  for (const l of lines)
    for (const [x, v] of pointsOf(l, plot.end - plot.span, plot.end))
      rows.push([new Date(x * 1000).toISOString(), quote(l.label, sep), String(v).replace(".", decimal), quote(sign(l.unit), sep)].join(sep));
  saveText(new Blob(["\ufeff" + rows.join("\r\n") + "\r\n"], { type: "text/csv" }), nameOf(names, "csv"));
}

// A cell that begins with = + - @ would be a formula to a spreadsheet.
function quote(s, sep) {
  if (/^[=+\-@\t\r]/.test(s)) s = "'" + s;
  return /["\n\r]/.test(s) || s.includes(sep) ? '"' + s.replaceAll('"', '""') + '"' : s;
}

/** savePNG is the plot as it is seen, with its names above and its time below. */
export function savePNG(page, names, lines, plot) {
  const { canvas } = plot,
    k = canvas.width / Math.max(1, canvas.clientWidth),
    { back, text, ink } = look(page.dark()),
    [head, foot] = [16 + 20 * lines.length, 26];
  const c = document.createElement("canvas");
  c.width = canvas.width;
  c.height = canvas.height + (head + foot) * k;
  const g = c.getContext("2d");
  g.fillStyle = back;
  g.fillRect(0, 0, c.width, c.height);
  g.drawImage(canvas, 0, head * k);
  g.scale(k, k);
  g.font = "13px " + getComputedStyle(document.body).fontFamily;
  lines.forEach((l, i) => {
    g.fillStyle = l.colour;
    g.fillRect(16, 15 + i * 20, 10, 10);
    g.fillStyle = text;
    g.fillText(l.label + (sign(l.unit) ? "  " + sign(l.unit) : ""), 34, 25 + i * 20);
  });
  g.fillStyle = ink;
  g.textAlign = "right";
  g.font = g.font.replace("13px", "11px");
  const from = stamp((plot.end - plot.span) * 1000, true);
  g.fillText((page.link.hub?.hub || "topicd") + " · " + from + " – " + stamp(plot.end * 1000, true), c.width / k - 16, c.height / k - 10);
  c.toBlob((blob) => saveText(blob, nameOf(names, "png")), "image/png");
}
