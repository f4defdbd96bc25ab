// The controls of several videos that play as one: a button, a slider and the time. compare.js and chain.js use them.
//
// Needs:
// - lang: on an element around them, the language of the numbers.
(() => {
  "use strict";

  const { make, write, writeAttribute } = dreamina;

  // `say` gives the sentences `play`, `pause` and `position`. `show` is called with each new state.
  dreamina.playbackControls = (say) => {
    const play = make("button", { type: "button", "class": "playback-play" });
    const position = make("input", {
      type: "range", min: "0", max: "0", step: "0.001", value: "0", "class": "playback-position", "aria-label": say("position"),
    });
    const time = make("span", { "class": "playback-time", "aria-hidden": "true" });

    function show({ at, duration, isPlayWanted }) {
      const label = say(isPlayWanted ? "pause" : "play");
      if (play.textContent !== label) {
        play.textContent = label;
        play.classList.toggle("playing", isPlayWanted);
      }
      if (Number(position.max) !== duration) position.max = String(duration);
      position.value = String(at);
      position.style.setProperty("--at", `${duration ? (at / duration) * 100 : 0}%`);
      const language = position.closest("[lang]").lang;
      const figures = (value, digits) =>
        value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
      write(time, { textContent: `${figures(at, 1)} / ${figures(duration, 1)} s` });
      // Screen readers read each change: while it plays, whole seconds are enough.
      const spoken = `${figures(isPlayWanted ? Math.floor(at) : at, isPlayWanted ? 0 : 2)} / ${figures(duration, 1)} s`;
      writeAttribute(position, "aria-valuetext", spoken);
    }

    // `toggle` plays or pauses, `scrub` goes to a time while the slider is moved, `scrubbed` is called when it is let go.
    function connect({ toggle, scrub, scrubbed }) {
      play.addEventListener("click", toggle);
      position.addEventListener("input", () => scrub(Number(position.value)));
      for (const name of ["change", "blur", "pointerup", "pointercancel"]) position.addEventListener(name, scrubbed);
    }

    return { play, position, bar: make("div", { "class": "playback" }, play, position, time), show, connect };
  };
})();
