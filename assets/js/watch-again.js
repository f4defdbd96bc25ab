// Watches the jobs again after the connection was lost: a computer that slept has lost its event stream.
//
// Needs:
// - #watch-again, #batch-again: hidden buttons of Gradio, which ask the server for the job on the stage and for the batch.
// - data-runs="yes": on the clock in #status, while the job runs.
// - progress: in #batch-progress, full when all jobs of the batch have ended.
(() => {
  "use strict";

  const { find } = dreamina;
  const HIDDEN_MS = 15000; // a tab that was hidden for a shorter time has kept its stream
  let hiddenAt = Infinity;

  function watchAgain() {
    if (find('#status [data-runs="yes"]')) find("#watch-again").click();
    if (find("#batch-progress progress")?.position < 1) find("#batch-again").click();
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) hiddenAt = performance.now();
    else if (performance.now() - hiddenAt > HIDDEN_MS) watchAgain();
  });
  window.addEventListener("online", watchAgain);
})();
