// Plays the videos of a chain as one, in the place of the player: while one plays, the next is loaded into a second element.
//
// Keys: the space bar plays and pauses, the arrow keys of the slider move, Escape closes.
//
// Needs:
// - data-chain="[{video, duration, number, count}, …]": on the button that starts it, with data-words; in .chain[data-job], whose
//   job is the one on the stage.
// - #player: the player, which styles hide meanwhile.
// - `dreamina.playbackControls` (playback-controls.js).
// Makes:
// - data-part: on each of its videos, the number of the part.
(() => {
  "use strict";

  const { find, make, observe, targetOf, wordsOf, write } = dreamina;
  const DRAWN_MS = 200; // in which the stage is drawn
  let playing = null; // { box, job, close }

  document.addEventListener("click", (event) => {
    const button = targetOf(event)?.closest("[data-chain]");
    if (button) open(button);
  });

  const isOver = () => playing && find(".chain")?.dataset.job !== playing.job;

  // Another video on the stage ends it. The same one may be drawn anew, a moment later, and the player with it.
  observe(() => {
    if (isOver()) setTimeout(() => isOver() && playing.close(), DRAWN_MS);
    else if (playing && !playing.box.isConnected) find("#player")?.before(playing.box);
  }, "data-job");

  function open(button) {
    playing?.close();
    const parts = JSON.parse(button.dataset.chain);
    const say = wordsOf(button);
    const screens = [0, 1].map(() => make("video", { playsinline: "", preload: "auto" }));
    const part = make("span", { "class": "chain-part" });
    const skipped = make("p", { "class": "note", role: "status" });
    const controls = dreamina.playbackControls(say);
    const close = make("button", { type: "button", "class": "dialog-close", "aria-label": say("close"), title: say("close") }, "✕");
    controls.bar.append(part, close);
    const box = make("div", { "class": "chain-player", role: "group", "aria-label": say("title") },
      make("div", { "class": "chain-screens" }, ...screens), controls.bar, skipped);
    const leftOut = new Set();
    const playback = playInTurn(screens, parts, (state) => {
      controls.show(state);
      write(part, { textContent: say("part", parts[state.index]) });
    }, (index) => {
      leftOut.add(index);
      skipped.textContent = [...leftOut].map((each) => say("skipped", parts[each])).join(" ");
    });
    controls.connect(playback);
    close.addEventListener("click", () => playing.close(true));
    box.addEventListener("keydown", (event) => pressKey(event, playback));
    playing = {
      box,
      job: button.closest(".chain").dataset.job,
      close(givesFocus = false) {
        playing = null;
        playback.stop();
        box.remove();
        if (givesFocus) find("[data-chain]")?.focus();
      },
    };
    find("#player video")?.pause();
    find("#player").before(box);
    box.scrollIntoView({ block: "nearest" });
    controls.play.focus({ preventScroll: true });
    playback.start();
  }

  function pressKey(event, playback) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") playing.close(true);
    // On a button the space bar presses that button.
    else if (event.key === " " && !event.target.closest("button")) playback.toggle();
    else return;
    event.preventDefault();
  }

  // `show` is called for each frame of the screen, `skip` for a part that cannot be played.
  function playInTurn(screens, parts, show, skip) {
    const lengths = parts.map(({ duration }) => duration);
    const broken = new Set();
    let index = 0;
    let front = screens[0]; // the one that is seen
    let isPlayWanted = true;
    let turns = 0; // counts the changes of part, so that a late answer to an earlier one does nothing
    let pending = null; // { at, offset } of what was asked for and is not seen yet
    let next = 0;

    const other = () => screens.find((screen) => screen !== front);
    const startOf = (at) => lengths.slice(0, at).reduce((sum, length) => sum + length, 0);
    const partAfter = (at) => parts.findIndex((_, each) => each > at && !broken.has(each));

    function load(screen, at) {
      if (screen.dataset.part === String(at)) return;
      screen.dataset.part = String(at);
      screen.src = parts[at].video;
    }

    // Whether it can be shown; waits until that is known. While it looks for another place in its file, it has no picture either.
    function ready(screen) {
      if (screen.readyState >= 2 || screen.error) return Promise.resolve(!screen.error);
      return new Promise((resolve) => {
        for (const name of ["loadeddata", "seeked", "error"]) {
          screen.addEventListener(name, () => resolve(!screen.error), { once: true });
        }
      });
    }

    // The last picture of the part before stays until the first one of this part is there.
    async function turnTo(at, offset) {
      const turn = ++turns;
      pending = { at, offset };
      const screen = Number(front.dataset.part) === at ? front : other();
      load(screen, at);
      const isPlayable = await ready(screen);
      if (turn !== turns) return;
      if (!isPlayable) {
        broken.add(at);
        skip(at);
        lengths[at] = 0;
        const following = partAfter(at);
        if (following >= 0) turnTo(following, 0);
        else isPlayWanted = false;
        return;
      }
      index = at;
      if (Math.abs(screen.currentTime - offset) > 0.001) screen.currentTime = offset;
      if (isPlayWanted) await screen.play().catch(() => (isPlayWanted = false));
      if (turn !== turns) {
        if (screen !== front) screen.pause();
        return;
      }
      pending = null;
      if (!isPlayWanted) screen.pause();
      if (screen !== front) front.pause();
      front = screen;
      for (const each of screens) each.classList.toggle("shown", each === front);
      const following = partAfter(at);
      if (following >= 0) {
        load(other(), following);
        other().currentTime = 0;
      }
    }

    for (const screen of screens) {
      screen.addEventListener("loadedmetadata", () => {
        if (Number.isFinite(screen.duration)) lengths[Number(screen.dataset.part)] = screen.duration;
      });
      screen.addEventListener("ended", () => {
        if (screen !== front) return;
        const following = partAfter(index);
        if (following >= 0) turnTo(following, 0);
        else isPlayWanted = false;
      });
    }

    function tick() {
      next = requestAnimationFrame(tick);
      const duration = startOf(parts.length);
      const within = Number(front.dataset.part) === index ? front.currentTime : 0;
      show({ at: Math.min(duration, startOf(index) + within), duration, isPlayWanted, index });
    }

    return {
      start() {
        turnTo(0, 0);
        tick();
      },
      stop() {
        turns++;
        cancelAnimationFrame(next);
        for (const screen of screens) {
          screen.pause();
          screen.removeAttribute("src");
          screen.load(); // ends the download
        }
      },
      toggle() {
        isPlayWanted = !isPlayWanted;
        if (!isPlayWanted) screens.forEach((screen) => screen.pause());
        else if (pending) turnTo(pending.at, pending.offset);
        else if (front.ended) turnTo(partAfter(-1), 0);
        else turnTo(index, front.currentTime);
      },
      scrub(to) {
        let at = parts.findIndex((_, each) => !broken.has(each) && to < startOf(each) + lengths[each]);
        if (at < 0) at = index;
        turnTo(at, Math.min(Math.max(0, to - startOf(at)), lengths[at]));
      },
      scrubbed() {},
    };
  }
})();
