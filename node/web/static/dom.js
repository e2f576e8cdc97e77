// Elements, made by hand: whatever comes from a topic becomes a text node.

import { tr } from "./lang.js";

const SVG = "http://www.w3.org/2000/svg";

/** el makes an element: el("p", {class: "x", onclick: f}, "text", child, [more]). */
export function el(tag, attrs, ...kids) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs || {})) {
    if (v === undefined || v === null || v === false) continue;
    if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else if (k === "value") e.value = v;
    else e.setAttribute(k, v === true ? "" : v);
  }
  add(e, kids);
  return e;
}

function add(e, kids) {
  for (const k of kids) {
    if (Array.isArray(k)) add(e, k);
    else if (k !== undefined && k !== null && k !== false) e.append(k);
  }
}

/** fill replaces what is in an element. */
export function fill(e, ...kids) {
  e.replaceChildren();
  add(e, kids);
  return e;
}

/** put sets a text node's data when it is another. */
export function put(node, text) {
  if (node.data !== text) node.data = text;
}

// 24×24, stroked. One path each.
const icons = {
  topics: "M4 6h4M4 12h4M4 18h4M12 6h8M12 12h8M12 18h8",
  log: "M5 4h14v16H5zM8 8h8M8 12h8M8 16h5",
  chat: "M4 5h16v11H9l-5 4z",
  clients:
    "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM3 20c0-3.5 2.7-6 6-6s6 2.5 6 6M16 4.5a3.5 3.5 0 0 1 0 6.5M17.5 14.5c2.1.8 3.5 2.8 3.5 5.5",
  memory: "M5 20V10M12 20V4M19 20v-7M3 20h18",
  hub: "M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM12 9V3M12 21v-6M9.5 13.5 4 17M20 7l-5.5 3.5M4 7l5.5 3.5M20 17l-5.5-3.5",
  theme: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  phone: "M8 3h8v18H8zM11 18h2",
  help: "M9.2 9a2.9 2.9 0 1 1 4.3 2.5c-1 .6-1.5 1.2-1.5 2.5M12 17.5v.1",
  close: "M6 6l12 12M18 6 6 18",
  plus: "M12 5v14M5 12h14",
  send: "M4 12 20 4l-4 16-4.5-6.5z",
  down: "M12 4v11M7 11l5 5 5-5M5 20h14",
  open: "M9 6l6 6-6 6",
  back: "M15 6l-6 6 6 6",
  wall: "M4 5h7v6H4zM13 5h7v6h-7zM4 13h16v6H4z",
  full: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  share: "M12 15V4M8 8l4-4 4 4M5 12v8h14v-8",
  pin: "M9 4h6l-1 6 3 3H7l3-3zM12 13v7",
  bell: "M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10.5 21h3",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4",
  range: "M5 6h14v14H5zM5 10h14M9 3v4M15 3v4",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M14 4v6M10 14v6",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  play: "M8 5l11 7-11 7z",
  pause: "M8 5v14M16 5v14",
};

/** icon draws one of ours; it says nothing to a screen reader. */
export function icon(name) {
  const s = document.createElementNS(SVG, "svg");
  for (const [k, v] of [
    ["viewBox", "0 0 24 24"],
    ["class", "icon"],
    ["aria-hidden", "true"],
    ["focusable", "false"],
  ])
    s.setAttribute(k, v);
  const p = document.createElementNS(SVG, "path");
  p.setAttribute("d", icons[name]);
  s.append(p);
  return s;
}

/** heads are a table's column heads; one that begins with - is for those who hear the page. */
export function heads(...names) {
  const head = (n) => el("th", { scope: "col" }, n[0] === "-" ? el("span", { class: "hide" }, tr(n.slice(1))) : tr(n));
  return el("thead", null, el("tr", null, names.map(head)));
}

/** button is what is pressed: an icon with a name, or a text. */
export function button(label, onclick, { icon: i, kind = "", text = !i, title } = {}) {
  const b = el(
    "button",
    { type: "button", class: ("button " + kind + (text ? "" : " bare")).trim(), onclick },
    i && icon(i),
    text && el("span", null, label),
  );
  if (i) b.setAttribute("aria-label", label); // its text may be hidden where there is little room
  if (title || !text) b.title = title || label;
  return b;
}
