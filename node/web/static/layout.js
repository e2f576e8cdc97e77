// What a person has chosen, kept in this browser.

const key = "topicd";

function read() {
  try {
    return JSON.parse(localStorage.getItem(key)) || {};
  } catch {
    return {}; // a browser that keeps nothing
  }
}

const kept = read();

const lent = {}; // what an address says instead, for as long as the page is open

/** lend has recall say this until something else is kept. */
export function lend(name, value) {
  lent[name] = value;
}

/** recall is what was kept under a name. */
export function recall(name, otherwise) {
  if (Object.hasOwn(lent, name)) return lent[name];
  return Object.hasOwn(kept, name) ? kept[name] : otherwise;
}

/** keep notes it for the next time, beside what other tabs have kept meanwhile. */
export function keep(name, value) {
  delete lent[name];
  kept[name] = value;
  try {
    localStorage.setItem(key, JSON.stringify({ ...read(), [name]: value }));
  } catch {
    /* private mode */
  }
}

/** token is the one this browser was given, for this visit or for good. */
export function token() {
  try {
    return sessionStorage.getItem(key + ".token") || localStorage.getItem(key + ".token") || "";
  } catch {
    return "";
  }
}

/** setToken keeps it; "" forgets it. */
export function setToken(text, forGood) {
  try {
    sessionStorage.removeItem(key + ".token");
    localStorage.removeItem(key + ".token");
    if (text) (forGood ? localStorage : sessionStorage).setItem(key + ".token", text);
  } catch {
    /* private mode */
  }
}

/** theme is "", "dark" or "light"; "" follows the system. */
export function setTheme(theme) {
  keep("theme", theme);
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

/** isDark: what is in force now. */
export function isDark() {
  const t = recall("theme", "");
  return t ? t === "dark" : !matchMedia("(prefers-color-scheme: light)").matches;
}
