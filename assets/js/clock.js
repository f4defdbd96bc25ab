// Shows how long the job on the stage has been running, and how much time is left. One timer ticks while it runs.
//
// The server says how long the job has run at each change; in between the time passes here.
//
// Needs:
// - data-elapsed="12.3", data-runs="yes" or "no": on the clock.
// - data-usual="60.0", data-left="{time} left", data-over: on the estimate beside it; data-usual is empty where nothing is known.
// - data-job: on the status around them.
(() => {
  "use strict";

  const { all, follow, write } = dreamina;
  const starts = new WeakMap(); // clock → { said, at }: what the server said, and when the job must have started
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
    const said = `${clock.closest("[data-job]").dataset.job} ${elapsed}`;
    if (starts.get(clock)?.said !== said) starts.set(clock, { said, at: performance.now() - Number(elapsed) * 1000 });
    return (performance.now() - starts.get(clock).at) / 1000;
  }

  function showEstimate(estimate, elapsed) {
    if (!estimate.dataset.usual) return;
    const left = Math.ceil(Number(estimate.dataset.usual) - elapsed);
    write(estimate, { textContent: left > 0 ? estimate.dataset.left.replace("{time}", minutes(left)) : estimate.dataset.over });
  }

  const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

  follow(show, "data-elapsed", "data-runs", "data-usual", "data-job");
})();
