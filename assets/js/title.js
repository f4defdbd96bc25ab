// Shows in the tab's title how the job on the stage is going, and how it ended until somebody has seen it.
//
// Tells the other scripts of an end by the event `dreamina:ended`, whose detail has `job`, `isReady`, `words` and `line`.
//
// Needs:
// - .status: in #status, with data-job, data-state, data-ready and data-failed (the words for the title),
//   and data-no-file if the job was finished without a file.
// - .status-words: what the stage says.
// - data-runs="yes": on the clock while the job runs; its text is in the title (clock.js).
(() => {
  "use strict";

  const { find, follow, publish, write } = dreamina;
  const NAME = "Dreamina UI";
  const SEEN_MS = 3000; // a glance at the tab counts after this time
  const running = new Set(); // the jobs that were seen running: only their end is news
  let news = "";
  let timer = 0;
  let isOurs = false; // whether the title is one of ours

  function show() {
    const status = find("#status .status[data-job]");
    const clock = status?.querySelector('[data-runs="yes"]');
    if (clock) {
      running.add(status.dataset.job);
      clearNews();
      setTitle(`● ${clock.textContent} ${status.querySelector(".status-words").textContent} · ${NAME}`);
      return;
    }
    if (status && running.delete(status.dataset.job)) end(status);
    if (news) setTitle(news);
    else if (isOurs) setTitle(NAME);
  }

  function setTitle(title) {
    isOurs = title !== NAME;
    write(document, { title });
  }

  function end(status) {
    const { job, state, ready, failed, noFile } = status.dataset;
    const isReady = state === "succeeded" && !noFile;
    news = `${isReady ? "✓" : "✗"} ${isReady ? ready : failed} · ${NAME}`;
    forgetWhenSeen();
    publish("dreamina:ended", { job, isReady, words: news, line: status.querySelector(".status-words").textContent });
  }

  function clearNews() {
    news = "";
    clearTimeout(timer);
  }

  function forgetWhenSeen() {
    clearTimeout(timer);
    if (!news || document.hidden) return;
    timer = setTimeout(() => {
      clearNews();
      show();
    }, SEEN_MS);
  }

  document.addEventListener("visibilitychange", forgetWhenSeen);
  follow(show, "data-state", "data-job", "data-runs", "data-no-file");
})();
