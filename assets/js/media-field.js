// Takes pictures, videos and sounds that are dropped on a field or pasted, and shows those of the visitor that a field names.
//
// Needs:
// - .media-field.of-image (of-video, of-audio, of-file): around a field for media, with its text box and Gradio's upload button.
// Makes:
// - .media-preview: the files that the field names, before the upload button; [data-shown] on it says which.
// - [data-over]: on the field, while a file is over it.
// Of several files that are dropped at once, a field for any file with a text box of several lines takes one after the other.
(() => {
  "use strict";

  const { all, make, observeText, targetOf, writeAttribute } = dreamina;
  const BOX = ".media-field textarea, .media-field input:not([type=file])";
  const NAMED = /^upload:([^\s#]+)#([0-9a-f]{32})$/;
  const SHOWN = { video: /\.(mp4|mov|webm)$/i, audio: /\.(wav|mp3|m4a)$/i };
  const OVER_MS = 900; // `dragover` comes at least every 550 ms while something is over the field

  const fieldOf = (node) => node?.closest(".media-field") ?? null;
  const boxOf = (field) => field.querySelector(BOX);
  const waiting = new Map(); // by field, the files that were dropped together with the one that is being uploaded
  const takes = (field, file) => field.matches(`.of-file, .of-${file.type.split("/")[0]}`);

  // -- what a field names

  function figure([, name, digest]) {
    const address = `dreamina/input/${digest}`;
    const called = decodeURIComponent(name);
    if (SHOWN.video.test(called)) return make("video", { src: address, muted: "", controls: "", preload: "metadata", title: called });
    if (SHOWN.audio.test(called)) return make("audio", { src: address, controls: "", preload: "metadata", title: called });
    const image = make("img", { src: address, alt: called, title: called });
    image.addEventListener("error", () => image.remove());
    return image;
  }

  function show(box) {
    const field = fieldOf(box);
    const named = box.value.split("\n").map((line) => NAMED.exec(line.trim())).filter(Boolean);
    const key = named.map(([text]) => text).join("\n");
    let preview = field.querySelector(".media-preview");
    if ((preview?.dataset.shown ?? "") === key) return;
    if (!preview) {
      preview = make("div", { "class": "media-preview" });
      box.closest(".block").after(preview);
    }
    preview.dataset.shown = key;
    preview.replaceChildren(...named.map(figure));
    const next = waiting.get(field)?.shift();
    if (next) handIn(field, next);
  }

  observeText(BOX, show);

  // -- what is dropped or pasted

  function handIn(field, file) {
    const input = field.querySelector("input[type=file]");
    if (!input) return;
    const transfer = new DataTransfer();
    transfer.items.add(file);
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  const hasFile = (event) => event.dataTransfer?.types.includes("Files");
  let timer = 0;

  function mark(over) {
    clearTimeout(timer);
    for (const field of all(".media-field")) {
      if (field === over) writeAttribute(field, "data-over", "");
      else field.removeAttribute("data-over");
    }
    if (over) timer = setTimeout(() => mark(null), OVER_MS);
  }

  function drag(event) {
    const field = hasFile(event) ? fieldOf(targetOf(event)) : null;
    mark(field);
    if (!field) return;
    // Otherwise the browser would open the file instead of the page.
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  }

  function drop(event) {
    mark(null);
    const field = hasFile(event) ? fieldOf(targetOf(event)) : null;
    if (!field) return;
    event.preventDefault();
    event.stopPropagation();
    const files = [...event.dataTransfer.files];
    const file = files.find((each) => takes(field, each)) ?? files[0];
    const takesSeveral = field.matches(".of-file") && boxOf(field)?.matches("textarea");
    waiting.set(field, takesSeveral ? files.filter((each) => each !== file) : []);
    if (file) handIn(field, file);
  }

  // The field with the focus, else the first empty one that takes such a file, else the first one.
  function paste(event) {
    const file = [...(event.clipboardData?.files ?? [])][0];
    if (!file) return;
    const fitting = all(".media-field").filter((field) => field.offsetParent && takes(field, file));
    const focused = fieldOf(targetOf(event));
    const field = fitting.find((each) => each === focused) ?? fitting.find((each) => !boxOf(each)?.value) ?? fitting[0];
    if (!field) return;
    event.preventDefault();
    handIn(field, file);
  }

  for (const name of ["dragenter", "dragover"]) document.addEventListener(name, drag, true);
  document.addEventListener("drop", drop, true);
  document.addEventListener("paste", paste, true);
})();
