// Adds the phrase of a chip to the prompt, and removes it again. A chip is pressed while the prompt has its phrase.
//
// Needs:
// - data-phrase="slow pan": on a button with aria-pressed.
// - #field-prompt textarea: the prompt.
(() => {
  "use strict";

  const { all, find, observe, observeText, targetOf, writeAttribute } = dreamina;
  const PROMPT = "#field-prompt textarea";
  const EDGE = "[,;.!?\\n]";

  // Only a phrase between commas or sentences counts, not a part of a sentence, as in "a slow pan of the sea".
  function phraseIn(phrase) {
    const words = phrase.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
    return new RegExp(`(^|${EDGE})[^\\S\\n]*${words}[^\\S\\n]*(?=$|${EDGE})`, "iu");
  }

  function withPhrase(text, phrase) {
    const before = text.trimEnd();
    if (!before) return phrase;
    return before + (/[,;.!?…]$/u.test(before) ? " " : ", ") + phrase;
  }

  function withoutPhrase(text, phrase) {
    const found = phraseIn(phrase).exec(text);
    const isAfterComma = /[,;]/.test(found[1]);
    const before = text.slice(0, found.index) + (isAfterComma ? "" : found[1]);
    const after = text.slice(found.index + found[0].length);
    if (isAfterComma) return before + after;
    // At the start of the text or of a sentence, the comma after the phrase is removed, too.
    const rest = after.replace(/^[,;]?[^\S\n]*/u, "");
    return before + (/[.!?]$/u.test(before) && rest ? " " : "") + rest;
  }

  function show() {
    const text = find(PROMPT)?.value ?? "";
    for (const chip of all("[data-phrase]")) {
      writeAttribute(chip, "aria-pressed", String(phraseIn(chip.dataset.phrase).test(text)));
    }
  }

  function toggle({ dataset: { phrase } }) {
    const box = find(PROMPT);
    if (!box || box.disabled) return;
    box.value = phraseIn(phrase).test(box.value) ? withoutPhrase(box.value, phrase) : withPhrase(box.value, phrase);
    // Gradio reads the text at this event.
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  document.addEventListener("click", (event) => {
    const chip = targetOf(event)?.closest("[data-phrase]");
    if (chip) toggle(chip);
  });
  observeText(PROMPT, show);
  observe(show, "aria-pressed", "data-phrase");
})();
