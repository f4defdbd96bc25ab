// Gives a video a star or takes it away, by a click on the star of its poster or of the stage, or by the key S: for the poster
// that has the focus, or else for the video on the stage.
//
// The stars of the same video show the same at once; the server's answer draws the history again.
//
// Needs:
// - data-star: on the button, in a poster with data-job (posters.js); on the stage, with the id of the job.
// - aria-pressed: "true" on one with a star.
(() => {
  "use strict";

  const { all, find, observe, send, targetOf, writeAttribute } = dreamina;
  const STAGE = ".stage [data-star]";
  const jobOf = (star) => star.dataset.star || star.closest("[data-job]").dataset.job;
  const isTyping = (node) => node?.closest("textarea, select, input:not([type=checkbox], [type=radio], [type=button]), [contenteditable], [role=textbox], [role=combobox], [role=listbox]");

  function toggle(star) {
    const job = jobOf(star);
    const starred = star.getAttribute("aria-pressed") !== "true";
    for (const same of all("[data-star]")) if (jobOf(same) === job) writeAttribute(same, "aria-pressed", String(starred));
    send("history", "like", { job_id: job, starred });
  }

  document.addEventListener("click", (event) => {
    const star = targetOf(event)?.closest("[data-star]");
    if (star) toggle(star);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "s" && event.key !== "S") return;
    if (event.defaultPrevented || event.isComposing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = targetOf(event);
    if (isTyping(target) || find("dialog[open]") || target?.closest("[role=dialog], [role=alertdialog]")) return;
    const poster = target?.closest(".history-root [data-job]");
    const star = poster ? poster.querySelector("[data-star]") : all(STAGE).find((one) => one.getClientRects().length);
    if (!star) return;
    event.preventDefault();
    toggle(star);
  });

  // Another tab may have changed it: what the history has is newer than what the stage was drawn with.
  observe(() => {
    for (const star of all(STAGE)) {
      const poster = dreamina.posters().find((one) => one.dataset.job === jobOf(star));
      const known = poster?.querySelector("[data-star]")?.getAttribute("aria-pressed");
      if (known) writeAttribute(star, "aria-pressed", known);
    }
  }, "aria-pressed", "data-job", "data-star");
})();
