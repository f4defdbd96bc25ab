// Fills the form from a file that is dropped anywhere on the page, and refuses files that have no settings.
//
// Needs:
// - data-drop-words, data-drop-refused: the sentences while a file is over the page, and for a wrong one.
// - data-drop-endings=".mp4 .png": the files that can have settings; on the same element.
// - #settings-file: Gradio's upload button, with its file field before it.
// - #refusal: where the server says what is wrong with a file; said over the page, too, as the form may be out of sight.
// Makes:
// - #drop-cover: covers the page while a file is over it.
(() => {
  "use strict";

  const { announce, find, observe, home, make, targetOf, write } = dreamina;
  const DRAG_ENDED_MS = 900; // `dragover` comes at least every 550 ms while something is over the page
  const REFUSED_MS = 6000;
  const ANSWERED_MS = 20000; // an upload and its answer take less
  const FILE_FIELD = "input[type=file], .upload-container, .media-field"; // they take files themselves
  let isOwnDrag = false; // a dragged picture of this page looks like a file, too
  let timer = 0;
  let waitsUntil = 0; // for the server's answer about a dropped file
  let saidBefore = "";

  const words = () => find("[data-drop-words]")?.dataset;

  function isFileOverPage(event) {
    if (isOwnDrag || !words() || !event.dataTransfer?.types.includes("Files")) return false;
    return !targetOf(event)?.closest(FILE_FIELD);
  }

  function canHaveSettings(file) {
    return words().dropEndings.split(" ").some((ending) => file.name.toLowerCase().endsWith(ending));
  }

  function showCover(text, forMs) {
    clearTimeout(timer);
    if (!find("#drop-cover")) home().append(make("div", { id: "drop-cover" }, make("p")));
    write(find("#drop-cover p"), { textContent: text });
    timer = setTimeout(hideCover, forMs);
  }

  function hideCover() {
    clearTimeout(timer);
    find("#drop-cover")?.remove();
  }

  function drag(event) {
    if (!isFileOverPage(event)) {
      hideCover();
      return;
    }
    // Otherwise the browser would open the file instead of the page.
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    showCover(words().dropWords, DRAG_ENDED_MS);
  }

  function drop(event) {
    hideCover();
    if (!isFileOverPage(event)) return;
    event.preventDefault();
    const file = [...event.dataTransfer.files].find(canHaveSettings);
    if (file) fill(file);
    else refuse(words().dropRefused);
  }

  function refuse(sentence) {
    announce(sentence);
    showCover(sentence, REFUSED_MS);
  }

  const answer = () => find("#refusal")?.textContent.trim() ?? "";

  function tellAnswer() {
    if (Date.now() > waitsUntil || answer() === saidBefore) return;
    saidBefore = answer();
    if (!saidBefore) return;
    waitsUntil = 0;
    refuse(saidBefore);
  }

  function fill(file) {
    let field = find("#settings-file");
    while (field && !field.matches("input[type=file]")) field = field.previousElementSibling;
    if (!field) return;
    saidBefore = answer();
    waitsUntil = Date.now() + ANSWERED_MS;
    const transfer = new DataTransfer();
    transfer.items.add(file);
    field.files = transfer.files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }

  observe(tellAnswer);
  document.addEventListener("dragstart", () => (isOwnDrag = true), true);
  document.addEventListener("dragend", () => (isOwnDrag = false), true);
  document.addEventListener("dragenter", drag, true);
  document.addEventListener("dragover", drag, true);
  document.addEventListener("dragleave", (event) => event.relatedTarget || hideCover(), true);
  document.addEventListener("drop", drop, true);
})();
