// Shows two videos side by side, playing in synchrony, with their settings and the differences.
//
// selection.js opens it. Keys: the space bar plays and pauses, comma and full stop go one frame back and on.
//
// Needs:
// - `dreamina.playInStep` (compare-playback.js).
// - data-do="compare": the button that opened it; it gets the focus back.
// - lang: on an element around it, the language of the numbers.
// - data-words: on .history-root, the sentences that `say` gives.
// Makes:
// - data-undecodable: on the sentence under each video (undecodable.js).
// - data-close: on the button that closes it (dialogs.js).
(() => {
  "use strict";

  const { find, home, make, prefersLessMotion } = dreamina;

  dreamina.compare = (one, two, say) => {
    const sides = [["A", one], ["B", two]];
    const videos = sides.map(([letter, side]) => videoOf(letter, side));
    const screens = sides.map(([letter, side], index) =>
      make("div", { "class": "compare-screen" }, videos[index], sentenceOf(letter, side, say),
        make("span", { "class": "compare-letter", "aria-hidden": "true" }, letter)));
    const names = [...new Set([...one.facts, ...two.facts].map(([name]) => name))];
    const controls = {
      play: make("button", { type: "button", "class": "compare-play", autofocus: "" }),
      position: make("input", {
        type: "range", min: "0", max: "0", step: "0.001", value: "0", "class": "compare-position", "aria-label": say("position"),
      }),
      time: make("span", { "class": "compare-time", "aria-hidden": "true" }),
    };
    const dialog = make("dialog", { "class": "compare dialog", "aria-labelledby": "compare-title" },
      make("div", { "class": "dialog-head" }, make("h2", { id: "compare-title" }, say("compare")),
        make("button", { type: "button", "class": "dialog-close", "data-close": "", "aria-label": say("close"), title: say("close") }, "✕")),
      make("div", { "class": "compare-grid", style: `--rows: ${Math.max(1, names.length)}` },
        ...screens,
        make("div", { "class": "compare-controls" }, ...Object.values(controls)),
        ...sides.map(([letter, side]) => factsOf(letter, side, one, two, names, say))));

    const playback = dreamina.playInStep(videos, (state) => showTime(state, controls, say));
    connect(dialog, controls, playback);
    dialog.addEventListener("close", () => {
      playback.stop();
      for (const video of videos) {
        video.removeAttribute("src");
        video.load(); // ends the download
      }
      dialog.remove();
      // The browser gives the focus back to the node it came from, if that is still there.
      const active = document.activeElement;
      if (!active || active === document.body) find('[data-do="compare"]:not(:disabled)')?.focus();
    });
    home().append(dialog);
    dialog.showModal();
    playback.start(!prefersLessMotion());
  };

  function videoOf(letter, side) {
    const video = make("video", {
      id: `compare-${letter}`, playsinline: "", preload: "auto", src: side.video, "aria-label": `${letter}: ${side.prompt}`,
    });
    video.muted = true;
    return video;
  }

  function sentenceOf(letter, side, say) {
    return make("p", { "class": "undecodable", role: "status", hidden: "", "data-undecodable": `compare-${letter}` },
      say("undecodable", { kind: side.video.split(".").at(-1).toUpperCase() }),
      make("a", { "class": "action", href: `dreamina/video/${encodeURIComponent(side.share)}`, download: "" }, say("download")));
  }

  function factsOf(letter, side, one, two, names, say) {
    const valueOf = (other, name) => other.facts.find(([known]) => known === name)?.[1] ?? "–";
    const rows = names.map((name) => {
      const differs = valueOf(one, name) !== valueOf(two, name);
      const mark = differs ? [make("span", { "class": "visually-hidden" }, ` (${say("differs")})`)] : [];
      return make("div", { "class": differs ? "compare-fact differs" : "compare-fact" },
        make("dt", {}, name), make("dd", {}, valueOf(side, name), ...mark));
    });
    return make("section", { "class": "compare-facts", "aria-label": `${letter}: ${side.prompt}` }, make("dl", {}, ...rows));
  }

  function connect(dialog, { play, position }, playback) {
    play.addEventListener("click", playback.toggle);
    position.addEventListener("input", () => playback.scrub(Number(position.value)));
    for (const name of ["change", "blur", "pointerup", "pointercancel"]) position.addEventListener(name, playback.scrubbed);
    dialog.addEventListener("keydown", (event) => pressKey(event, playback));
  }

  const STEPS = { ",": -1, ".": 1 };
  const SLIDER_STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -24, PageUp: 24 };

  function pressKey(event, playback) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const frames = STEPS[event.key] ?? (event.target.matches("input") ? SLIDER_STEPS[event.key] : undefined);
    if (frames) playback.step(frames);
    // On a button the space bar presses that button.
    else if (event.key === " " && !event.target.closest("button")) playback.toggle();
    else return;
    event.preventDefault();
  }

  function showTime({ at, duration, isPlayWanted }, { play, position, time }, say) {
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
    dreamina.write(time, { textContent: `${figures(at, 1)} / ${figures(duration, 1)} s` });
    // Screen readers read each change: while it plays, whole seconds are enough.
    const spoken = `${figures(isPlayWanted ? Math.floor(at) : at, isPlayWanted ? 0 : 2)} / ${figures(duration, 1)} s`;
    dreamina.writeAttribute(position, "aria-valuetext", spoken);
  }
})();
