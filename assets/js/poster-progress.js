// Shows the status of the stage on the running job's poster: the server sends the history only when a job starts or ends.
//
// Needs:
// - .status[data-job]: in #status, with .status-words and a clock with data-runs="yes" while the job runs.
// - .poster-state: on the posters of #history.
(() => {
  "use strict";

  const { find, observe, write } = dreamina;

  observe(() => {
    const status = find("#status .status[data-job]");
    if (!status?.querySelector('[data-runs="yes"]')) return;
    const badge = find(`#history [data-job="${CSS.escape(status.dataset.job)}"] .poster-state`);
    write(badge, { textContent: status.querySelector(".status-words").textContent });
  }, "data-job", "data-runs");
})();
