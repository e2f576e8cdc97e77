// Where one is: a view, and what is plotted, in the address. So Back, links and
// bookmarks work.

/** parse reads the part of an address behind #: topics?plot=a/b&span=300. */
export function parse(hash) {
  const [id, rest = ""] = hash.replace(/^#/, "").split("?"),
    q = new URLSearchParams(rest);
  return { id, plots: [...new Set(q.getAll("plot"))].slice(0, 8), span: Number(q.get("span")) || 0 };
}

/** format writes it. */
export function format({ id, plots = [], span = 0 }) {
  const name = (n) => encodeURIComponent(n).replaceAll("%2F", "/");
  if (!plots.length) return "#" + id;
  return "#" + id + "?" + plots.map((n) => "plot=" + name(n)).join("&") + (span ? "&span=" + Math.round(span) : "");
}

/** Route keeps the browser's history; show() is called when it moves. */
export class Route {
  constructor(show) {
    this.show = show;
    addEventListener("hashchange", show);
  }

  get at() {
    return parse(location.hash);
  }

  /** go is a step that Back takes back; to where one came from it is Back itself. */
  go(to) {
    const hash = format(to);
    if (hash === location.hash) return;
    if (history.state?.from === hash) return history.back();
    history.pushState({ from: location.hash }, "", hash);
    this.show();
  }

  /** put writes where one is without a step. */
  put(to) {
    const hash = format(to);
    if (hash !== location.hash) history.replaceState(history.state, "", hash);
  }
}
