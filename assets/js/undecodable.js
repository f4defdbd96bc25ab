// Shows a message under a video that this browser cannot decode. Some browsers report an error for such a file; others play its
// sound and show nothing.
//
// Needs:
// - data-undecodable="<id>": on the element with the sentence, which is hidden at first. It is shown while the video in the
//   element of that id, or the video of that id, cannot be shown.
// - `dreamina.isUnplayable` and the event `dreamina:unplayable` (reload-media.js).
(() => {
  "use strict";

  const { all, observe, write } = dreamina;
  const EVENTS = ["error", "loadedmetadata", "loadeddata", "emptied", "loadstart", "playing"];

  function videoOf(sentence) {
    const place = document.getElementById(sentence.dataset.undecodable);
    return place?.matches("video") ? place : place?.querySelector("video");
  }

  function isUndecodable(video) {
    if (!video?.currentSrc) return false;
    if (video.error) return dreamina.isUnplayable(video);
    return video.readyState >= HTMLMediaElement.HAVE_METADATA && video.videoWidth === 0;
  }

  function show() {
    for (const sentence of all("[data-undecodable]")) write(sentence, { hidden: !isUndecodable(videoOf(sentence)) });
  }

  // The events of a video do not bubble, but they can be captured.
  for (const name of EVENTS) {
    document.addEventListener(name, ({ target }) => target instanceof HTMLVideoElement && show(), true);
  }
  document.addEventListener("dreamina:unplayable", show);
  observe(show, "data-undecodable", "hidden");
})();
