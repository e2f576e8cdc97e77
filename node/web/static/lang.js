// The page's language. Texts stand in the modules in English, which is also their
// key; words.js has the others. firmware-notes/dashboard.md says how to add one.

import { recall } from "./layout.js";

/** languages are those that words.js has, in the order of its columns, behind English. */
export const languages = { en: "English", de: "Deutsch", es: "Español", fr: "Français", zh: "中文" };

const wished = [recall("language", ""), ...(globalThis.navigator?.languages || [])];

/** language is the first of those that this browser asks for which the page speaks. */
export const language = wished.map((l) => l.toLowerCase().split("-")[0]).find((l) => Object.hasOwn(languages, l)) || "en";

const table = new Map();
if (language !== "en") {
  const { words } = await import("./words.js"),
    column = Object.keys(languages).indexOf(language);
  for (const row of words) if (row[column]) table.set(row[0], row[column]);
}

/** tr is a text in the page's language; {0}, {1} … are the values. */
export function tr(text, ...values) {
  const said = table.get(text) ?? text;
  return values.length ? said.replace(/\{(\d)\}/g, (_, i) => values[i]) : said;
}

const parts = new Intl.NumberFormat(language).formatToParts(12345.5),
  part = (type) => parts.find((p) => p.type === type)?.value;

/** comma stands before a number's decimals, and between its thousands. */
export const comma = { decimal: part("decimal") || ".", group: part("group") || " " };
