// Where one is: a view, and what is shown there, in the address. So Back, links and
// bookmarks work.

/** parse reads the part of an address behind #: topics?plot=a/b&span=300&to=…, until when if that is not now. */
export function parse(hash) {
  const [id, rest = ""] = hash.replace(/^#/, "").split("?"),
    q = new URLSearchParams(rest);
  return { id, rest, plots: [...new Set(q.getAll("plot"))].slice(0, 8), span: Number(q.get("span")) || 0, to: Number(q.get("to")) || 0 };
}

/** format writes it; rest as it is. */
export function format({ id, plots = [], span = 0, to = 0, rest = "" }) {
  if (rest) return "#" + id + "?" + rest;
  const name = (n) => encodeURIComponent(n).replaceAll("%2F", "/");
  if (!plots.length) return "#" + id;
  return "#" + id + "?" + plots.map((n) => "plot=" + name(n)).join("&") + (span ? "&span=" + Math.round(span) : "") + (to ? "&to=" + Math.round(to) : "");
}

/** Route keeps the browser's history; show() is called when it moves. */
export class Route {
  #shown = null; // the address that the page shows

  constructor(show) {
    this.show = show;
    addEventListener("hashchange", () => {
      this.#shown = location.hash;
      show();
    });
  }

  get at() {
    return parse(location.hash);
  }

  /** go is a step that Back takes back; to where one came from it is Back itself. */
  go(to) {
    const hash = format(to);
    if (hash === location.hash) return;
    if (history.state?.from === hash) return history.back();
    history.pushState({ from: location.hash }, "", (this.#shown = hash));
    this.show();
  }

  /** put writes where one is without a step; on the way to somewhere else it does not. */
  put(to) {
    const hash = format(to);
    if (this.#shown !== null && this.#shown !== location.hash) return;
    if (hash !== location.hash) history.replaceState(history.state, "", hash);
    this.#shown = location.hash;
  }
}
