// Adds the phrase of a chip to the prompt, and removes it again. A chip is pressed while the prompt has its phrase.
//
// The chips say their phrases in the language of the prompt; where that cannot be told, in the page's.
//
// Needs:
// - data-phrases='{"en": "slow pan", "de": "langsamer Schwenk"}': on a button with aria-pressed.
// - #field-prompt textarea: the prompt.
// Makes:
// - data-phrase="slow pan", lang: on the button: what it says now, and in which language.
(() => {
  "use strict";

  const { all, find, observe, observeText, targetOf, write, writeAttribute } = dreamina;
  const PROMPT = "#field-prompt textarea";
  const COMMON = {
    en: new Set("the a of and with at on over to from through into by is are its under near".split(" ")),
    de: new Set("der die das den dem des ein eine einen einem einer und mit auf im am vor bei zu zur zum von vom durch aus ist sich".split(" ")),
  };
  const EDGE = "[,;.!?\\n]";
  // What is made of the same text again at each change of the page is made once.
  const patterns = new Map();
  const parsed = new Map();
  let shownFor = "";
  const once = (made, text, make) => made.get(text) ?? made.set(text, make(text)).get(text);

  // Only a phrase between commas or sentences counts, not a part of a sentence, as in "a slow pan of the sea".
  const phraseIn = (phrase) => once(patterns, phrase, patternOf);

  function patternOf(phrase) {
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

  function languageOf(text) {
    const words = text.toLowerCase().split(/[^\p{L}]+/u);
    const german = words.filter((word) => COMMON.de.has(word) || /[äöüß]/.test(word)).length;
    const english = words.filter((word) => COMMON.en.has(word)).length;
    if (german === english) return document.documentElement.lang;
    return german > english ? "de" : "en";
  }

  function show() {
    const text = find(PROMPT)?.value ?? "";
    const chips = all("[data-phrases]");
    const now = `${document.documentElement.lang} ${text}`;
    // A chip that Gradio has drawn again says nothing yet.
    if (now === shownFor && chips.every((chip) => chip.dataset.phrase)) return;
    shownFor = now;
    const language = languageOf(text);
    for (const chip of chips) {
      const phrases = once(parsed, chip.dataset.phrases, JSON.parse);
      const held = Object.keys(phrases).find((each) => phraseIn(phrases[each]).test(text));
      const said = held ?? (language in phrases ? language : Object.keys(phrases)[0]);
      write(chip, { textContent: phrases[said], lang: said });
      write(chip.dataset, { phrase: phrases[said] });
      writeAttribute(chip, "aria-pressed", String(held !== undefined));
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
  observe(show, "aria-pressed", "data-phrases", "lang");
})();
