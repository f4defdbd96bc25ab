// Replaces a picture that cannot be loaded by a placeholder with the kind of file.
//
// Needs:
// - data-poster="Video": on an img, the kind of file that it is the picture of.
(() => {
  "use strict";

  // The errors of a picture do not bubble, but they can be captured.
  document.addEventListener("error", ({ target: picture }) => {
    if (!(picture instanceof HTMLImageElement) || picture.dataset.poster === undefined) return;
    picture.replaceWith(dreamina.make("span", { "class": "poster-blank" }, dreamina.make("span", {}, picture.dataset.poster)));
  }, true);
})();
