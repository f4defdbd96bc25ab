// Shows how long the job on the stage has been running, and how much time is left.
//
// The server sends the elapsed time with each change of the job; in between a timer counts on.
//
// Needs:
// - data-elapsed="12.3", data-runs="yes" or "no": on the clock.
// - data-usual="60.0", data-left="{time} left", data-over: on the estimate beside it; data-usual is empty if it is unknown.
// - data-job: on the status around them.
(() => {
  "use strict";

  const { all, observe, write } = dreamina;
  const starts = new WeakMap(); // clock → { sent, at }: what the server sent, and the start of the job by it
  let timer = 0;

  function show() {
    clearTimeout(timer);
    let next = Infinity;
    for (const clock of all("[data-elapsed]")) {
      const elapsed = elapsedOf(clock);
      write(clock, { textContent: minutes(Math.floor(elapsed)) });
      showEstimate(clock.parentElement.querySelector("[data-usual]"), Math.floor(elapsed));
      // A little later than the next second, because timers may be early.
      if (clock.dataset.runs === "yes") next = Math.min(next, 1010 - ((elapsed * 1000) % 1000));
    }
    if (next < Infinity) timer = setTimeout(show, next);
  }

  function elapsedOf(clock) {
    const { elapsed, runs } = clock.dataset;
    if (runs !== "yes") return Number(elapsed);
    const sent = `${clock.closest("[data-job]").dataset.job} ${elapsed}`;
    if (starts.get(clock)?.sent !== sent) starts.set(clock, { sent, at: performance.now() - Number(elapsed) * 1000 });
    return (performance.now() - starts.get(clock).at) / 1000;
  }

  function showEstimate(estimate, elapsed) {
    if (!estimate.dataset.usual) return;
    const left = Math.ceil(Number(estimate.dataset.usual) - elapsed);
    write(estimate, { textContent: left > 0 ? estimate.dataset.left.replace("{time}", minutes(left)) : estimate.dataset.over });
  }

  const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

  observe(show, "data-elapsed", "data-runs", "data-usual", "data-job");
})();
