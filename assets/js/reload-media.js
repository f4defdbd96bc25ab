// Reloads videos and sounds that could not be loaded: when the server answers again, and once where it does answer, because browsers report
// a request that broke off before its first byte as a file of an unknown kind.
//
// Needs:
// - the events `dreamina:connected` (connection.js) and `online`: a good moment to try.
// Makes:
// - `dreamina.whenReachable(address)`: waits until the server answers; tells whether the file is there, and whether it had to wait.
// - `dreamina.isUnplayable(video)`: whether its file is there, but cannot be played.
// - the event `dreamina:unplayable`: this has become known of one.
(() => {
  "use strict";

  const PAUSE_MS = { first: 1000, longest: 15000 };
  const ANSWER_MS = 15000; // a network that swallows packets gives neither an answer nor an error
  const { MEDIA_ERR_DECODE, MEDIA_ERR_SRC_NOT_SUPPORTED } = MediaError;
  // The address of each element
  const pending = new WeakMap(); // that waits until the server answers,
  const repeated = new WeakMap(); // that was requested a second time,
  const unplayable = new WeakMap(); // that is there and cannot be played.

  // Ends early when the connection is back.
  function pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      const now = () => {
        clearTimeout(timer);
        resolve();
      };
      window.addEventListener("online", now, { once: true });
      document.addEventListener("dreamina:connected", now, { once: true });
    });
  }

  dreamina.whenReachable = async (address) => {
    for (let failures = 0; ; failures++) {
      const abort = new AbortController();
      pause(ANSWER_MS).then(() => abort.abort());
      try {
        const { ok, status } = await fetch(address, { method: "HEAD", cache: "no-store", signal: abort.signal });
        if (status < 502) return { isThere: ok, hasWaited: failures > 0 };
      } catch {
        // Not reachable.
      }
      await pause(Math.min(PAUSE_MS.longest, PAUSE_MS.first * 2 ** failures) * (0.5 + Math.random()));
    }
  };

  dreamina.isUnplayable = (media) => Boolean(media.error) && unplayable.get(media) === media.currentSrc;

  function giveUp(media) {
    unplayable.set(media, media.currentSrc);
    dreamina.publish("dreamina:unplayable");
  }

  async function reload(media) {
    const { error, currentSrc, currentTime, paused } = media;
    if (!error || !currentSrc || pending.get(media) === currentSrc) return;
    if (error.code === MEDIA_ERR_DECODE || /^(blob|data):/.test(currentSrc)) {
      giveUp(media);
      return;
    }
    pending.set(media, currentSrc);
    const { isThere, hasWaited } = await dreamina.whenReachable(currentSrc);
    if (pending.get(media) !== currentSrc) return; // it has another file meanwhile, which could not be loaded either
    pending.delete(media);
    if (!isThere || !media.isConnected || media.currentSrc !== currentSrc || !media.error) return;
    if (error.code === MEDIA_ERR_SRC_NOT_SUPPORTED && !hasWaited) {
      if (repeated.get(media) === currentSrc) {
        giveUp(media);
        return;
      }
      repeated.set(media, currentSrc);
    }
    media.load(); // pauses it
    media.currentTime = currentTime;
    if (media.autoplay || !paused) media.play().catch(() => {});
  }

  // These errors do not bubble, but they can be captured.
  document.addEventListener("error", ({ target }) => target instanceof HTMLMediaElement && reload(target), true);
})();
