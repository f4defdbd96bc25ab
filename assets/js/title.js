// Shows the status of the job on the stage in the tab's title, and its result until the person has seen it.
//
// Dispatches the event `dreamina:ended` at the end of a job, whose detail has `job`, `isReady`, `words` and `line`.
//
// Needs:
// - .status: in #status, with data-job, data-state, data-ready and data-failed (the words for the title),
//   and data-no-file if the job was finished without a file.
// - .status-words: the status line.
// - data-runs="yes": on the clock while the job runs; its text is in the title (clock.js).
(() => {
  "use strict";

  const { find, observe, publish, write } = dreamina;
  const NAME = "Dreamina UI";
  const SEEN_MS = 3000; // a tab that was visible for this time counts as seen
  const running = new Set(); // the jobs that were running on this page: only their end is shown
  let result = "";
  let timer = 0;
  let isOurs = false; // whether the title is one of ours

  function show() {
    const status = find("#status .status[data-job]");
    const clock = status?.querySelector('[data-runs="yes"]');
    if (clock) {
      running.add(status.dataset.job);
      clearResult();
      setTitle(`● ${clock.textContent} ${status.querySelector(".status-words").textContent} · ${NAME}`);
      return;
    }
    if (status && running.delete(status.dataset.job)) end(status);
    if (result) setTitle(result);
    else if (isOurs) setTitle(NAME);
  }

  function setTitle(title) {
    isOurs = title !== NAME;
    write(document, { title });
  }

  function end(status) {
    const { job, state, ready, failed, noFile } = status.dataset;
    const isReady = state === "succeeded" && !noFile;
    result = `${isReady ? "✓" : "✗"} ${isReady ? ready : failed} · ${NAME}`;
    forgetWhenSeen();
    publish("dreamina:ended", { job, isReady, words: result, line: status.querySelector(".status-words").textContent });
  }

  function clearResult() {
    result = "";
    clearTimeout(timer);
  }

  function forgetWhenSeen() {
    clearTimeout(timer);
    if (!result || document.hidden) return;
    timer = setTimeout(() => {
      clearResult();
      show();
    }, SEEN_MS);
  }

  document.addEventListener("visibilitychange", forgetWhenSeen);
  observe(show, "data-state", "data-job", "data-runs", "data-no-file");
})();
