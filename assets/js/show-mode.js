// Opens show mode over the page, in full screen: the key F and the button of the selection.
//
// It shows the selected videos, or all of the page's list from the focused one on; two to four that are compared, side by side.
//
// Needs:
// - data-job, data-share, data-facts: on the posters of what can be shown (posters.js).
// - `dreamina.pickedShares()` (selection.js): the selection.
// - data-words: on .history-root, the name of the frame, `show`.
// - data-shares: on dialog.compare, what it compares (compare.js).
// - the message "dreamina:end" from the frame (assets/show/show.js).
(() => {
  "use strict";

  const { find, home, make, posters, targetOf, wordsOf } = dreamina;

  function open(shares, { together = false } = {}) {
    if (!shares.length) return;
    const query = new URLSearchParams(shares.map((share) => ["video", share]));
    if (together) query.set("together", "yes");
    const frame = make("iframe", { src: `show?${query}`, allow: "autoplay; fullscreen", title: wordsOf(find(".history-root"))("show") });
    const dialog = make("dialog", { "class": "show-mode" }, frame);
    const end = ({ data, source }) => data === "dreamina:end" && source === frame.contentWindow && dialog.close();
    const leave = () => !document.fullscreenElement && dialog.close();
    const before = document.activeElement;
    dialog.addEventListener("close", () => {
      window.removeEventListener("message", end);
      document.removeEventListener("fullscreenchange", leave);
      dialog.remove();
      if (document.fullscreenElement) document.exitFullscreen();
      before?.focus?.();
    });
    window.addEventListener("message", end);
    home().append(dialog);
    dialog.showModal();
    frame.addEventListener("load", () => frame.contentWindow.focus());
    // Where full screen is refused, the frame fills the window.
    dialog.requestFullscreen?.().then(() => document.addEventListener("fullscreenchange", leave), () => {});
  }

  function listed(from) {
    const shown = posters().filter((poster) => poster.dataset.facts !== undefined);
    const start = Math.max(0, shown.indexOf(from));
    return [...shown.slice(start), ...shown.slice(0, start)].map((poster) => poster.dataset.share);
  }

  dreamina.showMode = open;

  document.addEventListener("keydown", (event) => {
    const target = targetOf(event);
    if (event.key.toLowerCase() !== "f" || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const compared = target?.closest("dialog.compare[data-shares]");
    const isInList = target?.closest(".history-root");
    if (event.defaultPrevented || (!compared && !isInList) || target.matches("input:not([type=checkbox])")) return;
    event.preventDefault();
    if (compared) open(compared.dataset.shares.split(" "), { together: true });
    else open(dreamina.pickedShares().length ? dreamina.pickedShares() : listed(target.closest("[data-job]")));
  });
})();
