// Takes pictures, videos and sounds that are dropped on a field or pasted, and shows those of the visitor that a field names.
//
// Needs:
// - .media-field.of-image (of-video, of-audio, of-file) [id$=media-NAME]: around a field for media, with its text box and Gradio's
//   upload button, which takes one file at a time. `takes-4`: it has room for so many.
// - #problem-NAME beside it, #batch-refusal in a batch: where the server says what is wrong with a file.
// - #media-words[data-words][data-most]: the sentences, and the most bytes of a file.
// - the events `dreamina:answered` and `dreamina:upload-refused` (connection.js).
// Makes:
// - .media-preview: the files that the field names, before the upload button, each to be removed; [data-shown] on it says which.
// - [data-named]: on a field that names files and nothing else. Styles hide its text box then, which has names for programs, unless
//   it is [data-as-text].
// - .media-said: what is being uploaded, and what is left out.
// - [data-over]: on the field, while a file is over it. [data-busy]: while one is being uploaded.
(() => {
  "use strict";

  const { all, find, make, observeText, targetOf, wordsOf, writeAttribute } = dreamina;
  const BOX = ".media-field textarea, .media-field input:not([type=file])";
  const NAMED = /^upload:([^\s#]+)#([0-9a-f]{32})$/;
  const SHOWN = { video: /\.(mp4|mov|webm)$/i, audio: /\.(wav|mp3|m4a)$/i };
  const GIVEN_UP_MS = 120000; // nothing has come of an upload
  const DRAWN_MS = { look: 100, longest: 3000 }; // until Gradio has drawn what the server has answered; the same file again changes nothing
  const OVER_MS = 900; // `dragover` comes at least every 550 ms while something is over the field

  const fieldOf = (node) => node?.closest(".media-field") ?? null;
  const boxOf = (field) => field.querySelector(BOX);
  const takes = (field, file) => field.matches(`.of-file, .of-${file.type.split("/")[0]}`);

  // -- what a field names

  function medium(address, called) {
    if (SHOWN.video.test(called)) return make("video", { src: address, muted: "", controls: "", preload: "metadata" });
    if (SHOWN.audio.test(called)) return make("audio", { src: address, controls: "", preload: "metadata" });
    const image = make("img", { src: address, alt: "" }); // its name stands below it
    image.addEventListener("error", () => image.remove());
    return image;
  }

  function figure([, name, digest], index) {
    const called = decodeURIComponent(name);
    const label = say("remove", { name: called });
    const remove = make("button", { type: "button", "class": "media-remove", "aria-label": label, title: label }, "✕");
    remove.addEventListener("click", () => removeFile(fieldOf(remove), index));
    return make("figure", {}, medium(`dreamina/input/${digest}`, called),
      make("figcaption", {}, make("bdi", { title: called }, called), remove));
  }

  function removeFile(field, index) {
    const box = boxOf(field);
    let at = -1;
    box.value = box.value.split("\n").filter((line) => !NAMED.test(line.trim()) || ++at !== index).join("\n");
    box.dispatchEvent(new Event("input", { bubbles: true }));
    const others = [...field.querySelectorAll(".media-remove")];
    (others[Math.min(index, others.length - 1)] ?? box).focus();
  }

  // Addresses can be among the files of a list.
  function asText(field) {
    const button = make("button", { type: "button", "class": "media-as-text" }, say("as_text"));
    button.addEventListener("click", () => {
      writeAttribute(field, "data-as-text", "");
      boxOf(field).focus();
    });
    return button;
  }

  function show(box) {
    const field = fieldOf(box);
    const written = box.value.split("\n").map((line) => line.trim()).filter(Boolean);
    const named = written.map((line) => NAMED.exec(line)).filter(Boolean);
    // The sentences are drawn later than the form.
    const key = named.length ? `${Boolean(find("#media-words"))} ${named.map(([text]) => text).join(" ")}` : "";
    field.toggleAttribute("data-named", named.length > 0 && named.length === written.length);
    if (!named.length) field.removeAttribute("data-as-text");
    let preview = field.querySelector(".media-preview");
    if ((preview?.dataset.shown ?? "") === key) return;
    if (!preview) {
      preview = make("div", { "class": "media-preview" });
      (box.closest(".form") ?? box.closest(".block")).after(preview);
    }
    preview.dataset.shown = key;
    preview.replaceChildren(...named.map(figure), ...(named.length && room(field).most > 1 ? [asText(field)] : []));
  }

  observeText(BOX, show);

  // -- uploads of a field, one after the other

  const uploads = new Map(); // by field: { files: those that wait, done, count, problem: what was said before, rest, timer }

  function say(key, values) {
    const words = find("#media-words");
    return words ? wordsOf(words)(key, values) : "";
  }

  function tell(field, sentence) {
    let said = field.querySelector(".media-said");
    if (!said) {
      said = make("p", { "class": "media-said note", role: "status" });
      field.append(said);
    }
    if (said.textContent !== sentence) said.textContent = sentence;
  }

  const problemOf = (field) => {
    const name = field.id.slice(field.id.indexOf("media-") + 6);
    const place = field.id.startsWith("batch") ? find("#batch-refusal") : field.parentElement.querySelector(`#problem-${CSS.escape(name)}`);
    return place?.textContent.trim() ?? "";
  };

  const lines = (field) => boxOf(field)?.value.split("\n").filter((line) => line.trim()).length ?? 0;

  // A field of one file takes the first, in the place of the one that is there; a full list has its last one replaced.
  function room(field) {
    const most = Number(/\btakes-(\d+)/.exec(field.className)?.[1] ?? 1);
    return { most, left: most === 1 ? 1 : Math.max(1, most - lines(field)) };
  }

  function handIn(field, given) {
    // The file before was refused, and its end is only not seen yet: it takes none of these with it.
    if (isRefused(field)) stop(field);
    const most = Number(find("#media-words")?.dataset.most ?? Infinity);
    const small = given.filter((file) => file.size <= most);
    const { most: places, left } = room(field);
    const files = small.slice(0, left);
    const large = given.find((file) => file.size > most);
    const rest = [
      large ? say("too_big", { name: large.name, limit: Math.floor(most / 2 ** 20) }) : "",
      files.length < small.length ? say("left_out", { count: small.length, taken: files.length, most: places }) : "",
    ];
    const { files: before = [], done = 0, count = 0 } = uploads.get(field) ?? {};
    uploads.set(field, { ...uploads.get(field), files: [...before, ...files], done, count: count + files.length, rest: rest.filter(Boolean).join(" ") });
    if (!field.hasAttribute("data-busy")) next(field);
  }

  function next(field) {
    const upload = uploads.get(field);
    const file = upload.files.shift();
    const input = field.querySelector("input[type=file]");
    if (!file || !input) {
      uploads.delete(field);
      field.removeAttribute("data-busy");
      tell(field, upload.rest);
      return;
    }
    const transfer = new DataTransfer();
    transfer.items.add(file);
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  // By us, or by the browser's own dialog.
  function begin(event) {
    const field = targetOf(event)?.matches("input[type=file]") ? fieldOf(event.target) : null;
    if (!field || !event.target.files.length) return;
    const upload = uploads.get(field) ?? { files: [], done: 0, count: 1, rest: "" };
    clearTimeout(upload.timer);
    upload.done += 1;
    uploads.set(field, { ...upload, text: boxOf(field)?.value, problem: problemOf(field), timer: setTimeout(() => stop(field), GIVEN_UP_MS) });
    writeAttribute(field, "data-busy", "");
    tell(field, say(upload.count > 1 ? "uploading" : "uploading_one", { name: event.target.files[0].name, number: upload.done, count: upload.count }));
  }

  // The next file is sent with what is in the field: before the answer is drawn there, this one would be lost.
  function end(field, waited = DRAWN_MS.look) {
    const upload = uploads.get(field);
    const problem = problemOf(field);
    const isDrawn = boxOf(field)?.value !== upload?.text || problem !== upload?.problem;
    if (upload && !isDrawn && waited < DRAWN_MS.longest) {
      setTimeout(end, DRAWN_MS.look, field, waited + DRAWN_MS.look);
      return;
    }
    if (!upload || isRefused(field)) {
      stop(field);
      return;
    }
    clearTimeout(upload.timer);
    next(field);
  }

  function isRefused(field) {
    const upload = uploads.get(field);
    const problem = problemOf(field);
    return Boolean(upload?.count && problem && problem !== upload.problem);
  }

  // One was refused, and its sentence has to stay: what waits behind it is left out.
  function stop(field) {
    const upload = uploads.get(field);
    clearTimeout(upload?.timer);
    uploads.delete(field);
    field.removeAttribute("data-busy");
    const waiting = upload?.files.length ?? 0;
    tell(field, waiting ? say("stopped", { count: waiting }) : (upload?.rest ?? ""));
  }

  const busy = () => all(".media-field[data-busy]");

  document.addEventListener("change", begin, true);
  document.addEventListener("dreamina:upload-refused", () => busy().forEach(stop));
  document.addEventListener("dreamina:answered", ({ detail: id }) => {
    const field = id ? fieldOf(find(`#${CSS.escape(id)}`)) : null;
    if (field?.hasAttribute("data-busy")) setTimeout(end, DRAWN_MS.look, field);
  });

  // -- what is dropped or pasted

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
    const fitting = files.filter((file) => takes(field, file));
    if (files.length) handIn(field, fitting.length ? fitting : files.slice(0, 1));
  }

  // The field with the focus, else the first empty one that takes such a file, else the first one.
  function paste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    const file = files[0];
    if (!file) return;
    const fitting = all(".media-field").filter((field) => field.offsetParent && takes(field, file));
    const focused = fieldOf(targetOf(event));
    const field = fitting.find((each) => each === focused) ?? fitting.find((each) => !boxOf(each)?.value) ?? fitting[0];
    if (!field) return;
    event.preventDefault();
    handIn(field, files.filter((each) => takes(field, each)));
  }

  for (const name of ["dragenter", "dragover"]) document.addEventListener(name, drag, true);
  document.addEventListener("drop", drop, true);
  document.addEventListener("paste", paste, true);
})();
