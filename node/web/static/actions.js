// What is done in a dialog: publish, make, change, delete, open on a phone, help.

import { button, el, fill } from "./dom.js";
import { keep, recall } from "./layout.js";
import { parse } from "./json.js";
import { tr } from "./lang.js";
import { refusal } from "./me.js";
import { token } from "./layout.js";
import { states } from "./table.js";

let ids = 0;

/** field is an input with its label above. */
export function field(label, input, hint) {
  input.id ||= "f" + ++ids;
  const note = hint && el("small", { id: input.id + "h" }, hint);
  if (note) input.setAttribute("aria-describedby", note.id);
  return el("div", { class: "field" }, el("label", { for: input.id }, label), input, note);
}

export class Actions {
  constructor(page) {
    this.page = page;
  }

  /** dialog opens one with a title. */
  dialog(title, ...inside) {
    const h = el("h2", { id: "dialog" + ++ids }, title);
    const d = el(
      "dialog",
      {
        "aria-labelledby": h.id,
        onclose: () => d.remove(),
        onclick: (e) => {
          if (e.target === d) d.close();
        },
      },
      el(
        "div",
        { class: "sheet" },
        el(
          "header",
          null,
          h,
          button(tr("Close"), () => d.close(), { icon: "close" }),
        ),
        inside,
      ),
    );
    document.body.append(d);
    d.showModal();
    return d;
  }

  /** ask opens one with a form; send(dialog) does it, and resolves to what is to be said. */
  ask(title, fields, verb, send, kind = "primary") {
    let busy = false; // a button that is disabled loses the keyboard
    const out = el("p", { class: "outcome", role: "status" }),
      go = el("button", { class: "button " + kind }, verb);
    const form = el(
      "form",
      {
        onsubmit: async (e) => {
          e.preventDefault();
          if (busy) return;
          busy = true;
          try {
            const text = await send(d);
            out.className = "outcome good";
            out.textContent = text || "";
          } catch (err) {
            out.className = "outcome bad";
            out.textContent = refusal(err);
          }
          busy = false;
        },
      },
      fields,
      el("div", { class: "bar end" }, out, go),
    );
    const d = this.dialog(title, form);
    return d;
  }

  names() {
    const list = el("datalist", { id: "names" });
    let n = 0;
    for (const name of this.page.topics.all.keys()) if (name[0] !== "$" && n++ < 500) list.append(el("option", { value: name }));
    return list;
  }

  /** publish sends one reading to any topic; it is made by that. */
  publish(topic = "") {
    const name = el("input", {
      required: true,
      maxlength: "128",
      value: topic || recall("publish", ""),
      list: "names",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: "greenhouse/1/temp",
    });
    const data = el("textarea", { rows: "4", spellcheck: "false", placeholder: '21.5  or  {"v":21.5,"u":"Cel"}  or  any text' });
    const d = this.ask(
      tr("Publish a reading"),
      [
        this.names(),
        field(tr("Topic"), name),
        field(tr("Reading"), data, tr("JSON is sent as that value, anything else as text. Ctrl+Enter sends.")),
      ],
      tr("Publish"),
      async () => {
        const m = await this.page.link.request({ op: "pub", topic: name.value.trim(), data: value(data.value) });
        keep("publish", name.value.trim());
        data.select();
        return tr("Sent as number {0}.", m.seq);
      },
    );
    data.addEventListener("keydown", (e) => {
      if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) d.querySelector("form").requestSubmit();
    });
    (name.value ? data : name).focus();
  }

  /** plot asks for a topic, and opens it. */
  plot(open) {
    const name = el("input", { required: true, maxlength: "128", list: "names", autocomplete: "off", spellcheck: "false" });
    this.ask(tr("Add a topic to the plot"), [this.names(), field(tr("Topic"), name)], tr("Add"), async (d) => {
      const t = this.page.topics.all.get(name.value.trim());
      if (!t) throw new Error(tr("There is no such topic."));
      open(t);
      d.close();
    });
    name.focus();
  }

  /** make makes a topic, or changes the one that is there. */
  make(t) {
    const i = t?.info || {};
    const name = el("input", {
      required: true,
      maxlength: "128",
      value: t?.name || "",
      readonly: Boolean(t),
      autocomplete: "off",
      spellcheck: "false",
      placeholder: "greenhouse/2/temp",
    });
    const kind = el(
      "select",
      null,
      el("option", { value: "static" }, tr("static: stays until it is deleted")),
      el("option", { value: "dynamic" }, tr("dynamic: goes when nobody uses it")),
    );
    if (t && !i.static) kind.value = "static";
    const cap = el("input", {
      type: "number",
      min: "1",
      max: "1048576",
      step: "any",
      value: i.cap ? String(i.cap / 1024) : "",
      placeholder: tr("the hub's default"),
      inputmode: "numeric",
    });
    const stale = el("input", { type: "number", min: "0", step: "1", placeholder: t ? tr("as it is") : tr("never"), inputmode: "numeric" });
    this.ask(
      t ? tr("Change {0}", t.name) : tr("New topic"),
      [
        field(tr("Name"), name, t ? "" : tr("Levels are split by /")),
        field(tr("Kind"), kind),
        el("div", { class: "pair" }, field(tr("History, KiB"), cap), field(tr("Stale after, seconds"), stale)),
      ],
      t ? tr("Change") : tr("Make"),
      async (d) => {
        const opts = { static: kind.value === "static" };
        if (cap.value) opts.cap = Math.round(Number(cap.value) * 1024);
        if (stale.value) opts.stale = Number(stale.value);
        await this.page.link.request({ op: "make", topic: name.value.trim(), opts });
        this.page.say(tr(t ? "{0} is changed." : "{0} is there.", name.value.trim()));
        d.close();
      },
    );
    if (t) cap.focus();
  }

  /** confirm asks before something that others will notice; send does it. */
  confirm(title, text, verb, send) {
    this.ask(
      title,
      [el("p", null, text)],
      verb,
      async (d) => {
        await send();
        d.close();
      },
      "danger",
    );
  }

  remove(t) {
    this.ask(
      tr("Delete {0}?", t.name),
      [el("p", null, tr("Its stored readings go with it. Who publishes to it makes it anew."))],
      tr("Delete"),
      async (d) => {
        await this.page.link.request({ op: "delete", topic: t.name });
        this.page.topics.all.delete(t.name);
        this.page.topics.births++;
        this.page.views.topics.pane.close();
        this.page.link.gone(t.name);
        this.page.say(tr("{0} is deleted.", t.name));
        d.close();
        this.page.soon();
      },
      "danger",
    );
  }

  /** pin asks for a topic, and puts it on the wall. */
  pin(pins) {
    const name = el("input", { required: true, maxlength: "128", list: "names", autocomplete: "off", spellcheck: "false" }),
      kind = el("select", null, el("option", { value: "tile" }, tr("a tile")), el("option", { value: "plot" }, tr("a plot")));
    this.ask(tr("Add to the wall"), [this.names(), field(tr("Topic"), name), field(tr("as"), kind)], tr("Add"), async (d) => {
      const item = [kind.value, name.value.trim()];
      if (!this.page.topics.all.has(item[1])) throw new Error(tr("There is no such topic."));
      if (!pins.own) pins.set(pins.items);
      if (pins.at(item) < 0 && !pins.toggle(item)) throw new Error(tr("The wall is full."));
      d.close();
    });
    name.focus();
  }

  /** phone shows this page's address as a code to scan, or that of something in it. */
  phone(hash = "") {
    const here = this.page.me.address() + hash,
      loop = /^https?:..(localhost|127\.|\[::1\])/.test(here);
    const text = el("input", { value: here, "aria-label": tr("Address"), spellcheck: "false", oninput: () => draw() });
    const box = el("div", { class: "qr" });
    const draw = () => {
      const img = el("img", {
        alt: tr("QR code of {0}", text.value),
        width: "220",
        height: "220",
        src: "api/qr.svg?text=" + encodeURIComponent(text.value),
      });
      img.onerror = () => fill(box, el("p", null, tr("This hub draws no codes; type the address.")));
      fill(box, img);
    };
    draw();
    this.dialog(
      hash ? tr("Open elsewhere") : tr("Open on a phone"),
      box,
      field(
        tr("Address"),
        text,
        loop
          ? tr("The hub serves this machine only. To have phones reach it, start it with --listen :22345.")
          : token()
            ? tr("The phone will ask for a token; invite it under Hub.")
            : "",
      ),
    );
  }

  /** help lists the keys. */
  help(views) {
    const k = (keys, what) =>
      el(
        "div",
        null,
        el(
          "dt",
          null,
          keys.split(" ").map((x) => el("kbd", null, x)),
        ),
        el("dd", null, tr(what)),
      );
    this.dialog(
      tr("Keys and marks"),
      el(
        "dl",
        { class: "keys" },
        k("/", "filter"),
        k("↑ ↓ j k", "move in the tree"),
        k("→ ←", "open, close a folder"),
        k("Enter", "plot a topic"),
        k("Space", "add it to the plot, or take it out"),
        k("Esc", "close the plot"),
        k("← → + -", "in the plot: pan and zoom"),
        k("Home", "in the plot: follow what comes"),
        k("p", "publish"),
        k("t", "dark or light"),
        k("f", tr("on the wall: all of the screen")),
        views.map((v, i) => k(String(i + 1), v.title)),
        k("?", "this"),
      ),
      el(
        "dl",
        { class: "keys marks" },
        Object.entries(states).map(([state, what]) =>
          el("div", null, el("dt", null, el("span", { class: "dot " + state })), el("dd", null, what)),
        ),
      ),
      el(
        "p",
        { class: "dim" },
        tr("With a mouse: drag pans, the wheel zooms, a double click follows again; shift-click adds a topic."),
      ),
    );
  }
}

/** value is a text as the reading that is meant. */
export function value(text) {
  try {
    return parse(text);
  } catch {
    return text;
  }
}
