// Deletes jobs of the history, and offers for twelve seconds to undo it.
//
// Dispatches the event `dreamina:deleted`, whose detail has the ids of the `jobs`.
//
// Needs:
// - .undo-bar: in .history-root, with a span for the words. The time stops while it has the focus or the pointer.
// - .picked-bar: the bar below the undo bar.
// - data-do="undo": its button.
// - data-words: on .history-root, the sentence `deleted`.
// - `js="window.dreamina.deleting"`: on the stage's Delete, which the server carries out.
(() => {
  "use strict";

  const { find, observe, publish, send, targetOf, wordsOf, write, writeAttribute } = dreamina;
  const UNDO_MS = 12000;
  const TICK_MS = 200;
  let undo = null; // { jobs, left, at, timer }

  function deleteJobs(jobs) {
    send("history", "delete", { job_ids: jobs });
    offer(jobs);
  }

  function offer(jobs) {
    // The button also restores what was deleted a moment before.
    const before = undo?.jobs ?? [];
    stop();
    undo = { jobs: [...new Set([...before, ...jobs])], left: UNDO_MS, at: performance.now() };
    undo.timer = setInterval(countDown, TICK_MS);
    publish("dreamina:deleted", { jobs });
    show();
    find('.undo-bar [data-do="undo"]')?.focus({ preventScroll: true });
  }

  function countDown() {
    const now = performance.now();
    const bar = find(".undo-bar");
    // The focus after a mouse click does not stop the time: it would last until the next click.
    const isNeeded = bar?.matches(":hover") || bar?.querySelector(":focus-visible");
    if (!isNeeded) undo.left -= now - undo.at;
    undo.at = now;
    bar?.style.setProperty("--left", Math.max(0, undo.left / UNDO_MS).toFixed(3));
    if (undo.left <= 0) end();
  }

  function stop() {
    clearInterval(undo?.timer);
    undo = null;
  }

  function end() {
    const hadFocus = find(".undo-bar")?.contains(document.activeElement);
    stop();
    show();
    if (hadFocus) dreamina.focusPosters();
  }

  function show() {
    const root = find(".history-root");
    if (!root) return;
    const bar = root.querySelector(".undo-bar");
    const words = undo ? wordsOf(root)("deleted", { count: undo.jobs.length }) : "";
    write(bar, { hidden: !undo });
    write(bar.querySelector("span"), { textContent: words, id: "undo-words" });
    writeAttribute(bar.querySelector('[data-do="undo"]'), "aria-describedby", "undo-words");
    // The other bar can have several lines.
    const above = `${(undo && root.querySelector(".picked-bar").offsetHeight) || 0}px`;
    if (bar.style.getPropertyValue("--above") !== above) bar.style.setProperty("--above", above);
  }

  document.addEventListener("click", (event) => {
    if (!undo || !targetOf(event)?.closest('.undo-bar [data-do="undo"]')) return;
    send("history", "undo", { job_ids: undo.jobs });
    end();
  });
  observe(show, "hidden", "aria-describedby", "id", "data-words");

  Object.assign(dreamina, {
    deleteJobs,
    // Gradio sends what is returned to the server.
    deleting(job) {
      if (job) offer([job]);
      return job;
    },
  });
})();
