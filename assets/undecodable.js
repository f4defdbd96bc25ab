// Says under a video that this browser cannot show it. Some browsers report an error for such a file; others play its sound
// and show nothing.
//
// data-undecodable="<id>": on the element with the sentence, which is hidden at first. It is shown while the video in the
// element of that id, or the video of that id, cannot be shown. The sentence can come and go at any time.
(() => {
  "use strict";

  const { MEDIA_ERR_DECODE, MEDIA_ERR_SRC_NOT_SUPPORTED } = MediaError;
  const SAYING = ["error", "loadedmetadata", "loadeddata", "emptied", "loadstart", "playing"];

  function videoOf(sentence) {
    const place = document.getElementById(sentence.dataset.undecodable);
    return place?.matches("video") ? place : place?.querySelector("video");
  }

  function isUndecodable(video) {
    if (!video?.currentSrc) return false;
    // A file that could not be fetched is marked in `onError`: that is no matter of decoding.
    if (video.error) return [MEDIA_ERR_DECODE, MEDIA_ERR_SRC_NOT_SUPPORTED].includes(video.error.code) && video.wasFetched !== false;
    return video.readyState >= HTMLMediaElement.HAVE_METADATA && video.videoWidth === 0;
  }

  function show() {
    for (const sentence of document.querySelectorAll("[data-undecodable]")) {
      const isHidden = !isUndecodable(videoOf(sentence));
      if (sentence.hidden !== isHidden) sentence.hidden = isHidden;
    }
  }

  // Browsers report a file that is not there as one of a kind they do not know.
  async function onError(video) {
    video.wasFetched = true;
    try {
      if (!/^(blob|data):/.test(video.currentSrc)) video.wasFetched = (await fetch(video.currentSrc, { method: "HEAD" })).ok;
    } catch {
      video.wasFetched = false;
    }
    show();
  }

  // The events of a video do not bubble, but they can be captured.
  for (const name of SAYING) {
    document.addEventListener(name, (event) => {
      const video = event.target;
      if (!(video instanceof HTMLVideoElement)) return;
      if (name === "error" && video.error) onError(video);
      else show();
    }, true);
  }

  // Gradio draws the sentence and the video when it likes.
  const watch = () => new MutationObserver(show).observe(document.body, { childList: true, subtree: true });
  if (document.body) watch();
  else document.addEventListener("DOMContentLoaded", watch);
})();
