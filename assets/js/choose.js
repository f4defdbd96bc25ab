// Sends the server the poster, variation, example, row of the batch or answer about a table that was clicked.
//
// Needs:
// - data-open: in an element with data-job, in .history-root or in #batch-table.
// - data-variation="<job id>"
// - data-example="<name>"
// - data-agree="<answer>"
// - .stage: is scrolled into view for a poster.
(() => {
  "use strict";

  const { find, prefersLessMotion, send, targetOf } = dreamina;
  const VISIBLE_ENOUGH = 0.6; // if this part of the stage is visible, the page does not scroll

  document.addEventListener("click", (event) => {
    const chosen = targetOf(event)?.closest("[data-open], [data-variation], [data-example], [data-agree]");
    if (!chosen) return;
    const { agree, variation, example } = chosen.dataset;
    if (variation) send("variations", "select", { job_id: variation });
    else if (agree) send("plan", "select", { answer: agree });
    else if (example) send("examples", "select", { name: example });
    else open(chosen);
  });

  function open(button) {
    const { job } = button.closest("[data-job]").dataset;
    if (button.closest("#batch-table")) send("batch", "select", { job_id: job });
    if (!button.closest(".history-root")) return;
    send("history", "select", { job_id: job });
    const stage = find(".stage");
    const { top, bottom } = stage.getBoundingClientRect();
    const visible = Math.min(bottom, innerHeight) - Math.max(top, 0);
    if (visible >= Math.min(bottom - top, innerHeight) * VISIBLE_ENOUGH) return;
    stage.scrollIntoView({ behavior: prefersLessMotion() ? "auto" : "smooth", block: "start" });
  }
})();
