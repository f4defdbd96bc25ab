// Puts the phrase of a chip into the prompt, and takes it out again. A chip is pressed while the prompt has its phrase.
//
// Needs:
// - data-phrase="slow pan": on a button with aria-pressed.
// - #field-prompt textarea: the prompt.
(() => {
  "use strict";

  const { all, find, follow, followText, targetOf, writeAttribute } = dreamina;
  const PROMPT = "#field-prompt textarea";
  const EDGE = "[,;.!?\\n]";

  // A phrase counts where it stands between commas or sentences: "a slow pan of the sea" is what a person has written.
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
    // At the start of the text or of a sentence, the comma after the phrase goes with it.
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
    // Gradio takes the text over at this event.
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  document.addEventListener("click", (event) => {
    const chip = targetOf(event)?.closest("[data-phrase]");
    if (chip) toggle(chip);
  });
  followText(PROMPT, show);
  follow(show, "aria-pressed", "data-phrase");
})();
