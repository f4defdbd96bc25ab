// Lets Gradio's sign of loading count its seconds once a second. It counts them at each frame, and does not stop when it is
// gone: an open page at which nothing happens would draw sixty frames a second, for 6 % of a core.
//
// Needs:
// - the sign's function that counts: it divides what has passed on the page's clock by a thousand.
(() => {
  "use strict";

  const COUNTS = /performance\.now\(\) *- *[^;,]*\/ *(1e3|1000)/;
  const COUNT_MS = 1000;
  const askForFrame = window.requestAnimationFrame.bind(window);

  // Gradio takes the browser's function when it starts, after this script.
  window.requestAnimationFrame = (draw) =>
    COUNTS.test(draw) ? setTimeout(() => draw(performance.now()), COUNT_MS) : askForFrame(draw);
})();
