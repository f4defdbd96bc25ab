// Shows two to four videos beside each other, playing in synchrony, with their settings and the differences.
//
// selection.js opens it. Keys: the space bar plays and pauses, comma and full stop go one frame back and on.
//
// Needs:
// - `dreamina.playInStep` (compare-playback.js), `dreamina.playbackControls` (playback-controls.js).
// - data-do="compare": the button that opened it; it gets the focus back.
// - data-words: on .history-root, the sentences that `say` gives.
// Makes:
// - data-undecodable: on the sentence under each video (undecodable.js).
// - data-close: on the button that closes it (dialogs.js).
// - data-shares: on the dialog, what it shows (show-mode.js); data-letter: on the cells of its table, for styles.
(() => {
  "use strict";

  const { find, home, make, prefersLessMotion } = dreamina;
  const NONE = "–";

  dreamina.compareMost = 4;

  dreamina.compare = (chosen, say) => {
    const sides = chosen.map((side, at) => ({ ...side, letter: "ABCD"[at] }));
    const videos = sides.map(videoOf);
    const screens = sides.map((side, at) =>
      make("div", { "class": "compare-screen" }, videos[at], sentenceOf(side, say),
        make("span", { "class": "compare-letter", "aria-hidden": "true" }, side.letter)));
    const controls = dreamina.playbackControls(say);
    controls.play.setAttribute("autofocus", "");
    const shares = sides.map(({ share }) => share).join(" ");
    const dialog = make("dialog", { "class": `compare of-${sides.length} dialog`, "aria-labelledby": "compare-title", "data-shares": shares },
      make("div", { "class": "dialog-head" }, make("h2", { id: "compare-title" }, say("compare", { count: sides.length })),
        make("button", { type: "button", "class": "dialog-close", "data-close": "", "aria-label": say("close"), title: say("close") }, "✕")),
      make("div", { "class": "compare-screens" }, ...screens),
      controls.bar,
      tableOf(sides, say));

    const playback = dreamina.playInStep(videos, controls.show);
    controls.connect(playback);
    dialog.addEventListener("keydown", (event) => pressKey(event, playback));
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

  function videoOf({ letter, video: src, prompt }) {
    const video = make("video", {
      id: `compare-${letter}`, playsinline: "", preload: "auto", src, "aria-label": `${letter}: ${prompt}`,
    });
    video.muted = true;
    return video;
  }

  function sentenceOf({ letter, video, share }, say) {
    return make("p", { "class": "undecodable", role: "status", hidden: "", "data-undecodable": `compare-${letter}` },
      say("undecodable", { kind: video.split(".").at(-1).toUpperCase() }),
      make("a", { "class": "action", href: `dreamina/video/${encodeURIComponent(share)}`, download: "" }, say("download")));
  }

  // A row for each setting; those that differ come first.
  function tableOf(sides, say) {
    const names = [...new Set(sides.flatMap(({ facts }) => facts.map(([name]) => name)))];
    const rows = names.map((name) => {
      const values = sides.map(({ facts }) => facts.find(([known]) => known === name)?.[1] ?? NONE);
      return { name, values, differs: new Set(values).size > 1 };
    });
    const ordered = [...rows.filter(({ differs }) => differs), ...rows.filter(({ differs }) => !differs)];
    const heads = [say("setting"), ...sides.map(({ letter }) => letter)];
    const head = make("tr", { role: "row" }, ...heads.map((text) => make("th", { scope: "col", role: "columnheader" }, text)));
    // Styles make blocks of it on a narrow page; the roles keep it a table.
    return make("table", { "class": "compare-facts", role: "table" }, make("thead", { role: "rowgroup" }, head),
      make("tbody", { role: "rowgroup" }, ...ordered.map((row) => rowOf(row, sides, say))));
  }

  function rowOf({ name, values, differs }, sides, say) {
    const mark = differs ? [make("span", { "class": "visually-hidden" }, ` (${say("differs")})`)] : [];
    return make("tr", { role: "row", ...(differs ? { "class": "differs" } : {}) },
      make("th", { scope: "row", role: "rowheader" }, name, ...mark),
      ...values.map((value, at) => make("td", { role: "cell", "data-letter": sides[at].letter }, value)));
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
})();
