// Shows a message under a video that this browser cannot decode. Some browsers report an error for such a file; others play its
// sound and show nothing.
//
// Needs:
// - data-undecodable="<id>": on the element with the sentence, which is hidden at first. It is shown while the video in the
//   element of that id, or the video of that id, cannot be shown.
(() => {
  "use strict";

  const { all, observe, write } = dreamina;
  const { MEDIA_ERR_DECODE, MEDIA_ERR_SRC_NOT_SUPPORTED } = MediaError;
  const EVENTS = ["error", "loadedmetadata", "loadeddata", "emptied", "loadstart", "playing"];
  const unfetched = new WeakSet(); // the videos whose file could not be fetched: whether they can be decoded is unknown

  function videoOf(sentence) {
    const place = document.getElementById(sentence.dataset.undecodable);
    return place?.matches("video") ? place : place?.querySelector("video");
  }

  function isUndecodable(video) {
    if (!video?.currentSrc) return false;
    if (video.error) return [MEDIA_ERR_DECODE, MEDIA_ERR_SRC_NOT_SUPPORTED].includes(video.error.code) && !unfetched.has(video);
    return video.readyState >= HTMLMediaElement.HAVE_METADATA && video.videoWidth === 0;
  }

  function show() {
    for (const sentence of all("[data-undecodable]")) write(sentence, { hidden: !isUndecodable(videoOf(sentence)) });
  }

  // Browsers report a missing file as one of an unknown kind, so it is requested once more.
  async function checkFetch(video) {
    unfetched.delete(video);
    if (!(await canBeFetched(video.currentSrc))) unfetched.add(video);
    show();
  }

  async function canBeFetched(address) {
    if (/^(blob|data):/.test(address)) return true;
    try {
      return (await fetch(address, { method: "HEAD" })).ok;
    } catch {
      return false;
    }
  }

  // The events of a video do not bubble, but they can be captured.
  for (const name of EVENTS) {
    document.addEventListener(name, ({ target: video }) => {
      if (!(video instanceof HTMLVideoElement)) return;
      if (name === "error" && video.error) checkFetch(video);
      else show();
    }, true);
  }
  observe(show, "data-undecodable", "hidden");
})();
