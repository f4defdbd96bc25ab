// Locks the seed: sets the form's seed to that of the video on the stage, or back to -1, which means a new one each time.
//
// Needs:
// - data-seed="7": in #facts, the seed of the video on the stage.
// - `js="window.dreamina.lockSeed"`: on the lock's Gradio event, with the seed as input and output.
(() => {
  "use strict";

  const RANDOM = "-1";

  // As text: a number beyond 2^53 would be rounded.
  dreamina.lockSeed = (seed) => (String(seed).trim() === RANDOM ? dreamina.find("#facts [data-seed]")?.dataset.seed ?? RANDOM : RANDOM);
})();
