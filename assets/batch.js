// The batch's table: where each video stands, and its picture once there is one.
(() => {
  "use strict";

  const dreamina = (window.dreamina = window.dreamina || {});
  const WATCH_AGAIN_AFTER_MS = 15000;
  const ENDED = new Set(["succeeded", "no_file", "failed", "cancelled", "uncertain"]);
  const find = (selector) => document.querySelector(selector);
  const rows = () => [...document.querySelectorAll("#batch-table tr[data-job]")];
  let latest = null;

  function fill(row, state, note, made) {
    const words = JSON.parse(row.closest("table").dataset.words);
    if (row.dataset.state === state && row.querySelector(".batch-note").textContent === note) return;
    row.dataset.state = state;
    row.querySelector(".batch-state").textContent = words[state] ?? state;
    row.querySelector(".batch-note").textContent = note;
    if (state === "succeeded" && !row.querySelector("td.state a")) show(row, words, made);
  }

  // `made` is the name of a download, what kind of file it is, and the end of its poster's name; an MP4 video has none.
  function show(row, words, [name, kind, poster] = [row.dataset.name, "", ".webp"]) {
    if (poster) {
      const src = row.dataset.poster.replace(/\.webp$/, poster);
      const picture = Object.assign(document.createElement("img"), { src, alt: "" });
      picture.dataset.poster = kind;
      row.querySelector(".batch-open").prepend(picture);
    }
    const link = Object.assign(document.createElement("a"), {
      className: "action",
      href: `dreamina/video/${row.dataset.share}`,
      download: name,
      textContent: words.download,
    });
    link.setAttribute("aria-label", `${words.download}: ${name}`);
    row.querySelector("td.state").append(link);
  }

  function apply() {
    const found = rows();
    if (!latest || found.length !== latest.states.length) return;
    found.forEach((row, number) => fill(row, latest.states[number], latest.notes[number] ?? "", latest.made[number]));
    const zip = find("#batch-zip");
    if (zip) zip.disabled = !found.some((row) => row.dataset.state === "succeeded");
  }

  function watchAgain() {
    if (rows().some((row) => !ENDED.has(row.dataset.state))) find("#batch-again")?.click();
  }

  Object.assign(dreamina, {
    batch(element, trigger) {
      element.addEventListener("click", (event) => {
        const row = event.target.closest("[data-open]")?.closest("[data-job]");
        if (row) trigger("select", { job_id: row.dataset.job });
      });
      // The states may come before the table they belong to.
      new MutationObserver(apply).observe(element, { childList: true, subtree: true });
      apply();
    },

    batchStates(text) {
      latest = text ? JSON.parse(text) : null;
      apply();
    },

    batchZip() {
      const ready = rows().filter((row) => row.dataset.state === "succeeded");
      if (!ready.length) return;
      const link = document.createElement("a");
      link.href = `dreamina/zip?${ready.map((row) => `video=${row.dataset.share}`).join("&")}`;
      link.download = "";
      link.click();
    },
  });

  let hiddenAt = 0;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) hiddenAt = performance.now();
    else if (hiddenAt && performance.now() - hiddenAt > WATCH_AGAIN_AFTER_MS) watchAgain();
  });
  window.addEventListener("online", watchAgain);
})();
