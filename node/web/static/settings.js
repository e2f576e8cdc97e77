// What a person chooses: language, units, CSV, limits, a time.

import { field } from "./actions.js";
import { el } from "./dom.js";
import { languages, tr } from "./lang.js";
import { keep, recall } from "./layout.js";
import { limitsOf, setLimits } from "./limits.js";
import { decimals, measure, sign } from "./reading.js";
import { choices, shown } from "./units.js";

function pick(value, options, onchange) {
  const s = el("select", { onchange: () => onchange(s.value) }, options.map(([v, text]) => el("option", { value: v }, text)));
  s.value = value;
  return s;
}

/** askSettings opens the settings; each holds at once, in this browser. */
export function askSettings(page) {
  const units = (kind, unit) => {
    keep("units", { ...recall("units", {}), [kind]: unit });
    page.restyle();
    page.hung(false);
  };
  page.actions.dialog(
    tr("Settings of this browser"),
    field(
      tr("Language"),
      pick(recall("language", ""), [["", tr("as the browser has it")], ...Object.entries(languages)], (code) => {
        keep("language", code);
        location.reload();
      }),
    ),
    el("h3", null, tr("Units")),
    el(
      "div",
      { class: "units" },
      choices.map(([kind, list]) =>
        field(tr(kind), pick(recall("units", {})[kind] || "", [["", tr("as sent")], ...list.map((u) => [u, u])], (u) => units(kind, u))),
      ),
    ),
    field(
      tr("Numbers in CSV files"),
      pick(
        recall("csv", ""),
        [
          ["", tr("as the language has it")],
          ["point", "1.5 , 2.5"],
          ["comma", "1,5 ; 2,5"],
        ],
        (v) => keep("csv", v),
      ),
    ),
  );
}

/** askLimits asks between which a line's values should lie. */
export function askLimits(page, line) {
  const now = limitsOf(line.name, line.field),
    { by, plus, unit } = shown(sign(line.unit)),
    show = (v) => (v === undefined || Number.isNaN(v) ? "" : String(Number((v * by + plus).toFixed(6))));
  const input = (v) => el("input", { type: "number", step: "any", inputmode: "decimal", value: show(v) });
  const low = input(now?.low),
    high = input(now?.high),
    said = line.v.at(-1);
  const suffix = unit ? ", " + unit : "";
  page.actions.ask(
    tr("Limits of {0}", line.label),
    [
      el("div", { class: "pair" }, field(tr("Too low below") + suffix, low), field(tr("Too high above") + suffix, high)),
      el(
        "p",
        { class: "dim" },
        said === undefined ? "" : tr("It is {0} now.", measure(said, line.unit, decimals(said)).join(" ").trim()) + " ",
        tr("An empty field is no limit. Plots draw the limits, and tiles beyond them are red, in this browser."),
      ),
    ],
    tr("Set"),
    async (d) => {
      const [a, b] = [low, high].map((i) => (i.value === "" ? NaN : (Number(i.value) - plus) / by));
      if (a >= b) throw new Error(tr("The lower limit must lie below the upper one."));
      setLimits(line.name, line.field, a, b);
      d.close();
      page.restyle();
    },
  );
  low.focus();
}

// A time as an input of dates takes it, on the clock of this wall.
const local = (s) => new Date(s * 1000 - new Date(s * 1000).getTimezoneOffset() * 60000).toISOString().slice(0, 19);

/** askRange asks from when to when is shown. */
export function askRange(page, plot) {
  const input = (s) => el("input", { type: "datetime-local", step: "1", required: true, value: local(s) });
  const from = input(plot.end - plot.span),
    to = input(plot.end);
  page.actions.ask(
    tr("Time shown"),
    [field(tr("From"), from), field(tr("To"), to)],
    tr("Show"),
    async (d) => {
      const [a, b] = [from, to].map((i) => Date.parse(i.value) / 1000);
      if (!(a < b)) throw new Error(tr("The first time must lie before the second."));
      plot.move(b - a, b);
      d.close();
    },
  );
  from.focus();
}
