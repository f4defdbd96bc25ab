// Remembers which jobs somebody has seen at their end, so that a page that is opened shows the newest video that nobody has.
//
// Needs:
// - .status[data-job]: in #status, with data-runs="yes" on its clock while the job runs; .variation[data-variation], and
//   #batch-table tr[data-job] with data-state.
// - `js="window.dreamina.opening"`: on Gradio's event that opens the page, with one input.
// - `dreamina.hasDraft`, `dreamina.isRestored` (draft.js), `dreamina.tellZone` (time-zone.js).
(() => {
  "use strict";

  const { all, observe, loadValue, saveValue, shown } = dreamina;
  const STORED = "dreamina_seen";
  const MOST = 200;
  const seen = () => JSON.parse(loadValue(STORED) ?? "[]");

  function note() {
    if (document.hidden) return;
    const shown = [
      ...all("#status .status[data-job]").filter((status) => !status.querySelector('[data-runs="yes"]')).map(({ dataset }) => dataset.job),
      ...all(".variation.succeeded[data-variation]").map(({ dataset }) => dataset.variation),
      ...all('#batch-table tr[data-state="succeeded"]').filter((row) => row.offsetParent).map(({ dataset }) => dataset.job),
    ];
    const known = seen();
    const fresh = shown.filter((job) => !known.includes(job));
    if (fresh.length) saveValue(STORED, JSON.stringify([...known, ...fresh].slice(-MOST)));
  }

  document.addEventListener("visibilitychange", note);
  observe(note, "data-state", "data-job", "data-runs");

  // The form is shown first; what the server then sends is drawn below and beside it.
  dreamina.opening = async () => {
    await shown();
    dreamina.tellZone();
    // Without a list, nothing would tell a first visit from one whose storage is refused.
    const known = loadValue(STORED) === null ? null : seen();
    if (!known) saveValue(STORED, "[]");
    return [JSON.stringify({ seen: known, has_draft: dreamina.hasDraft("form"), restored: dreamina.isRestored("form") })];
  };
})();
