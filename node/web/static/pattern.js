// Patterns as the hub knows them: + is one level, # the rest.

/** fits tells whether a topic fits a pattern. + and # first do not fit names that begin with $. */
export function fits(pattern, topic) {
  if (topic[0] === "$" && (pattern[0] === "+" || pattern[0] === "#")) return false;
  const p = pattern.split("/"),
    t = topic.split("/");
  for (let i = 0; i < p.length; i++) {
    if (p[i] === "#") return true;
    if (i >= t.length || (p[i] !== "+" && p[i] !== t[i])) return false;
  }
  return p.length === t.length;
}
