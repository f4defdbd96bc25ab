// Reloads videos that could not be loaded while the connection was lost.
//
// Needs:
// - the events `dreamina:connected` (connection.js) and `online`: a good moment to try.
// Makes:
// - `dreamina.whenReachable(address)`: waits until the server answers; tells whether the file is there, and whether it had to wait.
(() => {
  "use strict";

  const PAUSE_MS = { first: 1000, longest: 15000 };
  const pending = new WeakSet(); // the videos that wait until the server answers

  function pause(failures) {
    return new Promise((resolve) => {
      const ms = Math.min(PAUSE_MS.longest, PAUSE_MS.first * 2 ** failures) * (0.5 + Math.random());
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
      try {
        const { ok, status } = await fetch(address, { method: "HEAD", cache: "no-store" });
        if (status < 502) return { isThere: ok, hasWaited: failures > 0 };
      } catch {
        // Not reachable.
      }
      await pause(failures);
    }
  };

  async function reload(video) {
    const { error, currentSrc, currentTime } = video;
    if (pending.has(video) || !error || !currentSrc || /^(blob|data):/.test(currentSrc)) return;
    pending.add(video);
    const { isThere, hasWaited } = await dreamina.whenReachable(currentSrc);
    pending.delete(video);
    const isSame = video.isConnected && video.currentSrc === currentSrc && video.error;
    if (!isSame || !isThere || !(hasWaited || error.code === MediaError.MEDIA_ERR_NETWORK)) return;
    video.load();
    video.currentTime = currentTime;
    if (video.autoplay) video.play().catch(() => {});
  }

  // The errors of a video do not bubble, but they can be captured.
  document.addEventListener("error", ({ target }) => target instanceof HTMLVideoElement && reload(target), true);
})();
