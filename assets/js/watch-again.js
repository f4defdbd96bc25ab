// Watches the jobs again after the connection was lost, for example because the computer was asleep.
//
// Needs:
// - #watch-again, #batch-again: hidden buttons of Gradio, which request the job on the stage and the batch again.
// - data-runs="yes": on the clock in #status, while the job runs.
// - progress: in #batch-progress, full when all jobs of the batch have ended.
(() => {
  "use strict";

  const { find } = dreamina;
  const HIDDEN_MS = 15000; // a tab that was hidden for a shorter time still has its stream
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
