// Fills in the table of a batch: the state, the picture and the download of each video. Downloads all of them as a zip.
//
// The server sends the table once, and at each change all states as JSON (`states_json` in dreamina_ui/ui/html/batch.py).
//
// Needs:
// - #batch-table: Gradio's component with the table.
// - data-words: on the table, the word of each state, and `download`.
// - data-job, data-share, data-name, data-poster: on each row: the ids, the name of its download, the address of its picture.
// - .batch-open, .batch-state, .batch-note: in each row, the elements to fill in.
// - #batch-zip: the button for the zip.
// - `js="window.dreamina.batchStates"` and `js="window.dreamina.batchZip"`: on Gradio's events.
// Makes:
// - data-state: on each row; data-pictured: where its picture was shown.
(() => {
  "use strict";

  const { all, download, find, observe, make, wordsOf, write } = dreamina;
  const rows = () => all("#batch-table tr[data-job]");
  let latest = null; // { states, notes, made, due }

  function show() {
    const shown = rows();
    // The states may arrive before their table.
    if (!latest || shown.length !== latest.states.length) return;
    const say = wordsOf(find("#batch-table [data-words]"));
    shown.forEach((row, at) => {
      fill(row, latest.states[at], latest.notes[at] ?? "", latest.made[at], say);
      if (latest.states[at] === "succeeded" && !latest.due.includes(at)) showPicture(row, latest.made[at]);
    });
    write(find("#batch-zip"), { disabled: !shown.some((row) => row.dataset.state === "succeeded") });
  }

  function fill(row, state, note, made, say) {
    write(row.querySelector(".batch-note"), { textContent: note });
    if (row.dataset.state === state) return;
    row.dataset.state = state;
    row.querySelector(".batch-state").textContent = say(state);
    if (state === "succeeded" && !row.querySelector(".state a")) showFile(row, made, say);
  }

  // `made`: the name of the download, the kind of file, and the end of its picture's name. The server sends it for a file that
  // is no MP4 video.
  function showFile(row, made, say) {
    const [name] = made ?? [row.dataset.name];
    const address = `dreamina/video/${row.dataset.share}`;
    const label = `${say("download")}: ${name}`;
    row.querySelector(".state").append(
      make("a", { "class": "action", href: address, download: name, "aria-label": label }, say("download")));
  }

  // Once: what cannot be loaded is replaced by missing-poster.js.
  function showPicture(row, made) {
    const [, kind, end] = made ?? ["", "", ".webp"];
    if (!end || row.dataset.pictured) return;
    row.dataset.pictured = "yes";
    const src = row.dataset.poster.replace(/\.webp$/, end);
    row.querySelector(".batch-open").prepend(make("img", { src, alt: "", "data-poster": kind }));
  }

  observe(show, "data-state", "disabled");

  Object.assign(dreamina, {
    batchStates(text) {
      latest = text ? JSON.parse(text) : null;
      show();
    },
    batchZip() {
      const ready = rows().filter((row) => row.dataset.state === "succeeded");
      if (ready.length) download(`dreamina/zip?${ready.map((row) => `video=${row.dataset.share}`).join("&")}`);
    },
  });
})();
