// Limits: between which a topic's values should lie. They are this browser's, or
// come with the address of a wall.

import { keep, recall } from "./layout.js";

const most = 500; // topics with limits

const keyOf = (name, field) => (field ? name + "\n" + field : name);

/** limitsOf is {low, high} of a topic's field, NaN where there is none; undefined: it has no limits. */
export function limitsOf(name, field = "") {
  const all = recall("limits", {}),
    key = keyOf(name, field);
  if (!Object.hasOwn(all, key)) return undefined;
  const [low, high] = all[key];
  return { low: low ?? NaN, high: high ?? NaN };
}

/** setLimits keeps them, in the unit that the topic sends; NaN is none. */
export function setLimits(name, field, low, high) {
  const all = { ...recall("limits", {}) },
    key = keyOf(name, field);
  delete all[key];
  if (!Number.isNaN(low) || !Number.isNaN(high)) all[key] = [low, high].map((v) => (Number.isNaN(v) ? null : v));
  keep("limits", Object.fromEntries(Object.entries(all).slice(-most)));
}

/** beyond tells on which side of its limits a value lies: "low", "high" or "". */
export function beyond(v, limits) {
  if (!limits) return "";
  return v < limits.low ? "low" : v > limits.high ? "high" : "";
}
