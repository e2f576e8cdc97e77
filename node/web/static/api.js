// The hub's plain HTTP.

import { tr } from "./lang.js";
import { token } from "./layout.js";

let refused = ""; // a token that the hub did not take: said again and again it looks like guessing

/** spurn notes that the hub did not take our token: nothing but api/me asks with it again. */
export function spurn() {
  refused = token();
}

/** api asks and resolves to the JSON answer; a refusal is thrown as {code, msg}. It asks with our token, or another. */
export async function api(method, path, body, by = token()) {
  const headers = {};
  if (by && by === refused && path !== "api/me") throw { code: 401, msg: tr("the hub does not take this token") };
  if (by) headers.Authorization = "Bearer " + by;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let r;
  try {
    r = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw { code: 0, msg: tr("the hub cannot be reached") };
  }
  if (by) refused = r.status === 401 ? by : by === refused ? "" : refused;
  let v = null;
  try {
    v = await r.json();
  } catch {
    /* no body, or none of ours */
  }
  if (!r.ok)
    throw (
      v?.error || { code: r.status, msg: r.status === 404 ? "this hub has no " + path.split("?")[0] : r.statusText || "refused" }
    );
  return v;
}

/** save has the browser keep what is at path as a file. */
export async function save(path, name) {
  const r = await fetch(path, { headers: token() ? { Authorization: "Bearer " + token() } : {} });
  if (!r.ok) throw { code: r.status, msg: r.status === 404 ? "this hub has no export" : r.statusText };
  saveText(await r.blob(), name);
}

export function saveText(blob, name) {
  const a = document.createElement("a");
  a.href = URL.createObjectURL(blob);
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 10000);
}
