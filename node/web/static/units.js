// Units by choice: what is sent in one is shown in another of its kind.

import { recall } from "./layout.js";

// Each unit as so many of the kind's first, and what is added: °F × 5/9 − 160/9 = °C.
const kinds = {
  Temperature: { "°C": [1, 0], "°F": [5 / 9, -160 / 9], K: [1, -273.15] },
  Speed: { "m/s": [1, 0], "km/h": [1 / 3.6, 0], kn: [1852 / 3600, 0], mph: [0.44704, 0] },
  Pressure: { Pa: [1, 0], hPa: [100, 0], bar: [1e5, 0], mmHg: [133.322, 0], inHg: [3386.389, 0], psi: [6894.757, 0] },
  Length: { m: [1, 0], mm: [0.001, 0], cm: [0.01, 0], km: [1000, 0], in: [0.0254, 0], ft: [0.3048, 0], NM: [1852, 0] },
  Volume: { l: [1, 0], "m³": [1000, 0], "gal (US)": [3.785412, 0] },
  Mass: { kg: [1, 0], g: [0.001, 0], lb: [0.45359237, 0] },
};

const kindOf = {};
for (const [kind, units] of Object.entries(kinds)) for (const u of Object.keys(units)) kindOf[u] = kind;

/** choices are the units of each kind. */
export const choices = Object.entries(kinds).map(([kind, units]) => [kind, Object.keys(units)]);

const same = { by: 1, plus: 0 };

/** shown is how values in a unit are shown: in unit, as value × by + plus. */
export function shown(unit) {
  const kind = Object.hasOwn(kindOf, unit) ? kindOf[unit] : "",
    to = kind && recall("units", {})[kind];
  if (!to || to === unit || !Object.hasOwn(kinds[kind], to)) return { ...same, unit };
  const [k, o] = kinds[kind][unit],
    [l, p] = kinds[kind][to];
  return { unit: to, by: k / l, plus: (o - p) / l };
}

/** digitsOf is with how many decimals a value is shown that came with so many. */
export function digitsOf(digits, by) {
  if (by === 1 || digits === undefined) return digits;
  return Math.max(0, Math.min(Math.max(digits, 2), Math.round(digits - Math.log10(by))));
}
