// A page of which a part was lost on its way is asked for again: it would stay blank.
addEventListener("load", () => {
  const again = performance.getEntriesByType("navigation")[0]?.type === "reload"; // then there is no hurry
  setTimeout(() => document.getElementById("tabs").firstChild || location.reload(), again ? 20000 : 3000);
});
