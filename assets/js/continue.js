// Tells the server where the player stands, when a frame of its video is used, and brings the form into view that was filled by it.
//
// Needs:
// - #player: with the video.
// - .compose #field-prompt: the prompt of the form that is shown.
// - `js="window.dreamina.standsAt"`, `js="window.dreamina.pausedAt"`: on Gradio's events, whose second input is the place.
(() => {
  "use strict";

  const { all, find, prefersLessMotion } = dreamina;
  const FRAME_S = 1 / 24;

  Object.assign(dreamina, {
    standsAt: (job, at, ...others) => [job, String(find("#player video")?.currentTime ?? 0), ...others],

    // Empty for the end of the video: only one that somebody has stopped in the middle is continued from there.
    pausedAt(job, at, ...others) {
      const video = find("#player video");
      const isInside = video?.paused && video.currentTime > 0 && video.currentTime < video.duration - FRAME_S;
      return [job, isInside ? String(video.currentTime) : "", ...others];
    },

    showForm() {
      const prompt = all(".compose #field-prompt textarea").find((box) => box.getClientRects().length);
      if (!prompt) return;
      prompt.focus({ preventScroll: true });
      const { top, bottom } = prompt.getBoundingClientRect();
      if (top >= 0 && bottom <= innerHeight) return;
      find(".compose").scrollIntoView({ behavior: prefersLessMotion() ? "auto" : "smooth", block: "start" });
    },
  });
})();
