// Plays several videos in synchrony, to the frame. compare.js shows them.
//
// Needs: the video elements that it is given.
(() => {
  "use strict";

  const FRAME_S = 1 / 24;
  const SMALL_DRIFT_S = 0.01;
  const LOAD_TIMEOUT_MS = 1500; // some phones load nothing into a paused video: after this time the videos are played anyway

  // The longest video leads; the others follow it, and wait at their end until it starts again. Not by `loop`: two videos that
  // repeat by themselves drift apart. `show` is called for each frame of the screen, with the time of the leading video.
  dreamina.playInStep = (videos, show) => {
    const seekTargets = new Map(); // video → where it should seek after the seek that is under way
    let isPlayWanted = false; // whether the person has started it
    let isWaiting = true; // whether the videos are paused until all are ready
    let heldAt = 0;
    let scrubbing = false;
    let at = 0;
    let next = 0;

    const live = () => videos.filter((video) => !video.error);
    const lengthOf = (video) => (Number.isFinite(video.duration) ? video.duration : 0);
    const duration = () => Math.max(0, ...live().map(lengthOf));
    const leader = () => live().find((video) => lengthOf(video) === duration());
    const isAtEnd = (video) => video.ended || (video.duration && video.currentTime >= video.duration - FRAME_S / 4);
    const isBusy = (video) => video.seeking || seekTargets.has(video) || (video.readyState < 3 && !isAtEnd(video));

    for (const video of videos) {
      video.addEventListener("seeked", () => {
        if (!seekTargets.has(video)) return;
        const goal = seekTargets.get(video);
        seekTargets.delete(video);
        video.currentTime = goal;
      });
    }

    function seek(video, to) {
      const goal = Math.min(to, lengthOf(video));
      if (video.seeking) seekTargets.set(video, goal);
      else if (Math.abs(video.currentTime - goal) > 0.0005) video.currentTime = goal;
    }

    function hold() {
      if (!isWaiting) heldAt = performance.now();
      isWaiting = true;
      for (const video of live()) {
        video.pause();
        video.playbackRate = 1;
      }
    }

    function goTo(to) {
      at = Math.min(Math.max(0, to), duration());
      hold();
      heldAt = performance.now();
      for (const video of live()) seek(video, at);
    }

    function release() {
      isWaiting = false;
      heldAt = performance.now();
      for (const video of live()) {
        if (isAtEnd(video)) continue;
        video.play().catch((problem) => {
          if (problem.name === "NotAllowedError") isPlayWanted = false;
        });
      }
    }

    function follow() {
      const lead = leader();
      at = lead.currentTime;
      if (lead.ended) return goTo(0);
      if (lead.paused) return hold(); // by the browser, to save power
      for (const video of live()) {
        if (video === lead || (isAtEnd(video) && at >= lengthOf(video) - FRAME_S)) continue;
        const drift = video.currentTime - Math.min(at, lengthOf(video));
        if (Math.abs(drift) > FRAME_S) return goTo(at);
        // A small drift is corrected by the playback rate; a seek would stutter.
        video.playbackRate = Math.abs(drift) < SMALL_DRIFT_S ? 1 : drift > 0 ? 0.96 : 1.04;
      }
    }

    function tick() {
      next = requestAnimationFrame(tick);
      if (isPlayWanted && !scrubbing && leader()) {
        const busy = live().some(isBusy);
        const isPatient = performance.now() - heldAt < LOAD_TIMEOUT_MS;
        if (isWaiting && (!busy || !isPatient)) release();
        else if (!isWaiting && busy && !isPatient) hold();
        else if (!isWaiting && !busy) follow();
      }
      show({ at, duration: duration(), isPlayWanted });
    }

    return {
      start(plays) {
        isPlayWanted = plays;
        heldAt = performance.now();
        tick();
      },
      stop() {
        cancelAnimationFrame(next);
        for (const video of videos) video.pause();
      },
      toggle() {
        isPlayWanted = !isPlayWanted;
        const lead = leader();
        if (lead) goTo(isPlayWanted && isAtEnd(lead) ? 0 : lead.currentTime);
      },
      scrub(to) {
        scrubbing = true;
        goTo(to);
      },
      scrubbed() {
        scrubbing = false;
      },
      // To the middle of a frame: at its edge, rounding decides which of two is shown.
      step(frames) {
        isPlayWanted = false;
        goTo((Math.floor(at / FRAME_S + 0.01) + frames + 0.5) * FRAME_S);
      },
    };
  };
})();
