// The hub's time. It is carried on by the browser's clock that only goes forward,
// and set anew by what comes from the hub, whose own clock may be set at any time.

const jump = 1500; // ms: more than a slow network explains
const late = 3000; // ms that a live reading may lie behind before the hub is asked

/** Clock is told what the hub says; on.doubt() asks it, on.stepped(ms) is told that its clock was set, on.slept(ms) that we slept. */
export class Clock {
  #ahead = Date.now() - performance.now(); // the hub's time less performance.now()
  #ours = Date.now() - performance.now(); // as it was when the hub was last heard
  #known = false;

  constructor(on) {
    this.on = on;
  }

  /** now is the hub's time, milliseconds since 1970. */
  now() {
    return this.#ahead + performance.now();
  }

  /** told takes the hub's time; its message was asked for so many ms ago. */
  told(ts, took = 0) {
    if (!(ts > 0)) return;
    const ahead = ts + took / 2 - performance.now(),
      ours = Date.now() - performance.now();
    const by = ahead - this.#ahead,
      mine = ours - this.#ours; // we slept, or our own clock was set
    this.#ours = ours;
    const known = this.#known;
    this.#known = true;
    if (!known || Math.abs(by) > jump + took / 2) {
      this.#ahead = ahead;
      if (known && Math.abs(by - mine) > jump + took / 2) this.on.stepped(by);
      else if (known && by > 0) this.on.slept?.(by);
    } else this.#ahead += by / 4;
  }

  /** seen takes the time of a live reading: the hub's, or that of a gateway whose clock may be any other. */
  seen(ts) {
    const by = ts - this.now();
    if (by > jump || by < -late) this.on.doubt();
  }
}
