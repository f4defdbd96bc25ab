// Replaces a picture that cannot be loaded by a placeholder with the kind of file.
//
// Needs:
// - data-poster="Video": on an img, the kind of file that it is the picture of.
// - `dreamina.whenReachable` (reload-media.js).
(() => {
  "use strict";

  const repeated = new WeakSet(); // the pictures that were requested a second time

  async function replace(picture) {
    const { src } = picture;
    const { isThere, hasWaited } = await dreamina.whenReachable(src);
    if (!picture.isConnected || picture.src !== src) return;
    if (isThere && (hasWaited || !repeated.has(picture))) {
      if (!hasWaited) repeated.add(picture);
      picture.src = src; // the request may have broken off
    } else {
      picture.replaceWith(dreamina.make("span", { "class": "poster-blank" }, dreamina.make("span", {}, picture.dataset.poster)));
    }
  }

  // The errors of a picture do not bubble, but they can be captured.
  document.addEventListener("error", ({ target: picture }) => {
    if (picture instanceof HTMLImageElement && picture.dataset.poster !== undefined) replace(picture);
  }, true);
})();
