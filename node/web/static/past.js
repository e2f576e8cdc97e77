// A sparkline begins with what the hub has stored, asked for once.

const atOnce = 4; // requests

export class Past {
  #asked = 0;

  constructor(page) {
    this.page = page;
  }

  /** ask has the lines of some topics filled; those that wait are told of by done(). */
  ask(topics, done) {
    const { link, fields } = this.page;
    if (link.state !== "live") return;
    for (const t of topics) {
      if (t.filled || this.#asked >= atOnce || t.seq < 2) continue;
      t.filled = true;
      this.#asked++;
      link
        .request({ op: "get", topic: t.name, opts: { last: 64 } })
        .then(
          (a) => {
            const values = [];
            for (const r of a.data || []) {
              const f = fields(r.data);
              if (f.length) values.push(Number(f[0].value));
            }
            if (values.length <= t.at) return;
            t.ring = null;
            t.at = 0;
            for (const v of values) t.push(v);
            t.change++;
          },
          () => {},
        )
        .finally(() => {
          this.#asked--;
          this.page.dirty();
          done?.();
        });
    }
  }
}
