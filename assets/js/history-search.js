// Searches the history as somebody types, shortly after the last letter.
//
// Needs:
// - #history-search: Gradio's text box for the words.
// - the events of the section `history` (posters.js): `input` asks for the history anew.
(() => {
  "use strict";

  const { send, targetOf } = dreamina;
  const PAUSE_MS = 250; // letters come faster than this while somebody writes a word
  let timer = 0;

  function soon(event) {
    if (!targetOf(event)?.closest("#history-search") || event.isComposing) return;
    clearTimeout(timer);
    timer = setTimeout(() => send("history", "input", {}), PAUSE_MS);
  }

  document.addEventListener("input", soon);
  document.addEventListener("compositionend", soon);
})();
