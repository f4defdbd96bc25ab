// Keeps the pages of a vote up to date: the points as they come, and what is shown when it is closed or opened again.
//
// Needs:
// - data-counts, data-each: the address of the counts, and the seconds between two looks.
// - data-place with data-points and a meter: the candidates; data-voters: how many have voted.
(() => {
  "use strict";

  const place = document.querySelector("[data-counts]");
  if (!place) return;
  const { counts, each } = place.dataset;
  let wasOpen = null;

  function show({ voters, points = {} }) {
    const most = Math.max(1, ...Object.values(points));
    for (const [value, count] of Object.entries(points)) {
      const candidate = document.querySelector(`[data-place="${CSS.escape(value)}"]`);
      if (!candidate) continue;
      candidate.querySelector("[data-points]").textContent = count;
      Object.assign(candidate.querySelector("meter"), { max: most, value: count });
    }
    const said = document.querySelector("[data-voters]");
    if (said && voters && said.textContent !== voters) said.textContent = voters;
  }

  async function look() {
    try {
      const answer = await fetch(counts, { cache: "no-store" });
      if (answer.status === 404) return location.reload(); // it was deleted
      if (answer.ok) {
        const told = await answer.json();
        if (wasOpen !== null && wasOpen !== told.open) return location.reload();
        wasOpen = told.open;
        show(told);
      }
    } catch {
      // Not reachable: the next look may be answered.
    }
    // A little by chance, so that a room full of phones does not ask at once.
    return setTimeout(look, Number(each) * 1000 * (0.75 + Math.random() / 2));
  }

  look();
})();
