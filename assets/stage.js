// Around the stage: the tab's title, a notification and a sound at the end, prompt chips, copied links, dropped files.
(() => {
  "use strict";

  const dreamina = (window.dreamina = window.dreamina || {});
  const NAME = "Dreamina UI";
  const LOOKED_MS = 3000;
  const COPIED_MS = 2000;
  const RUNNING = new Set(["waiting", "submitting", "in_queue", "in_progress", "saving"]);
  const find = (selector) => document.querySelector(selector);
  const targetOf = (event) => (event.target instanceof Element ? event.target : null);

  // For what is not written where the focus is: said once by screen readers, seen by nobody.
  dreamina.say = (words) => {
    let region = find("#said");
    if (!region) {
      region = document.createElement("div");
      region.id = "said";
      region.className = "visually-hidden";
      region.setAttribute("role", "status");
      homeOf().append(region);
    }
    region.textContent = "";
    setTimeout(() => (region.textContent = words), 50);
  };

  // Gradio keeps the rules of a style sheet's media queries to what is inside `.contain`.
  function homeOf() {
    return find(".gradio-container .contain") ?? find(".gradio-container") ?? document.body;
  }

  // -- the tab's title

  const seenRunning = new Set();
  let news = ""; // how the last job ended, until somebody has looked
  let looked = 0;
  let isTitled = false;

  function retitle() {
    const status = find(".status[data-job]");
    const { state, job } = status?.dataset ?? {};
    const isRunning = RUNNING.has(state);
    if (isRunning) {
      seenRunning.add(job);
      clearNews();
    } else if (seenRunning.delete(job)) {
      end(status, state === "succeeded" && !status.dataset.noFile);
    }
    if (isRunning) {
      const clock = status.querySelector(".clock")?.textContent || "0:00";
      const words = status.dataset.running || status.querySelector(".status-words")?.textContent || "";
      title(`● ${clock} ${words.trim()} · ${NAME}`);
    } else if (news) title(news);
    else if (isTitled) title(NAME);
  }

  function title(words) {
    isTitled = words !== NAME;
    if (document.title !== words) document.title = words;
  }

  function end(status, isReady) {
    const word = isReady ? status.dataset.ready || "ready" : status.dataset.failed || "failed";
    news = `${isReady ? "✓" : "✗"} ${word} · ${NAME}`;
    look();
    if (!wishes()) return;
    chime(isReady);
    notify(news, status.querySelector(".status-words")?.textContent ?? "", status.dataset.job);
  }

  function clearNews() {
    news = "";
    clearTimeout(looked);
  }

  // A glance counts after three seconds.
  function look() {
    clearTimeout(looked);
    if (!news || document.hidden) return;
    looked = setTimeout(() => {
      clearNews();
      retitle();
    }, LOOKED_MS);
  }

  document.addEventListener("visibilitychange", look);

  // -- notification and sound

  const WISH = "dreamina_notify";
  let sound = null;

  // Some browsers refuse storage in a frame of another site; then the wish lasts as long as the page.
  let wish = null;
  function wishes() {
    if (wish === null) {
      try {
        wish = localStorage.getItem(WISH) === "yes";
      } catch {
        wish = false;
      }
    }
    return wish;
  }

  function keepWish(value) {
    wish = value;
    try {
      localStorage.setItem(WISH, value ? "yes" : "no");
    } catch {
      // kept in `wish`
    }
  }

  function showWish() {
    const button = find("#notify");
    const pressed = String(wishes());
    if (button && button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
  }

  // Browsers let a page sound only after a click or a key.
  function wakeSound() {
    if (!window.AudioContext) return;
    sound ??= new AudioContext();
    if (sound.state === "suspended") sound.resume().catch(() => {});
  }

  function chime(isReady) {
    wakeSound();
    if (!sound) return;
    const tones = isReady ? [587.33, 880] : [440, 329.63];
    tones.forEach((pitch, index) => {
      const from = sound.currentTime + 0.03 + index * 0.16;
      const tone = new OscillatorNode(sound, { type: "sine", frequency: pitch });
      const loudness = new GainNode(sound, { gain: 0 });
      loudness.gain.setValueAtTime(0, from);
      loudness.gain.linearRampToValueAtTime(0.12, from + 0.03);
      loudness.gain.exponentialRampToValueAtTime(0.0001, from + 0.55);
      tone.connect(loudness).connect(sound.destination);
      tone.start(from);
      tone.stop(from + 0.6);
    });
  }

  function notify(words, line, job) {
    if (!document.hidden || !window.Notification || Notification.permission !== "granted") return;
    const prompt = find(".stage-prompt")?.textContent ?? "";
    try {
      const shown = new Notification(words, {
        body: [line, prompt].filter(Boolean).join("\n").slice(0, 200),
        tag: job,
        icon: find("link[rel~=icon]")?.href ?? "",
      });
      shown.onclick = () => {
        window.focus();
        shown.close();
      };
    } catch {
      // Android shows notifications only through a service worker; the sound and the title remain.
    }
  }

  async function toggleWish() {
    keepWish(!wishes());
    showWish();
    if (!wishes()) return;
    chime(true); // so that one knows what to listen for
    if (window.Notification && Notification.permission === "default") await Notification.requestPermission();
  }

  for (const name of ["pointerdown", "keydown"]) {
    document.addEventListener(name, () => wishes() && wakeSound(), { capture: true, passive: true });
  }

  // -- prompt chips

  const promptBox = () => find("#field-prompt textarea");
  const EDGE = "[,;.!?\\n]";

  // A phrase counts where it stands by itself between commas or sentences: "a slow pan of the sea" is the person's own.
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
    if (!found) return text;
    const isAfterComma = /[,;]/.test(found[1]);
    const before = text.slice(0, found.index) + (isAfterComma ? "" : found[1]);
    const after = text.slice(found.index + found[0].length);
    if (isAfterComma) return before + after;
    // At the start of the text or of a sentence it is the comma after it that belongs to it.
    const rest = after.replace(/^[,;]?[^\S\n]*/u, "");
    return before + (/[.!?]$/u.test(before) && rest ? " " : "") + rest;
  }

  // Svelte listens to `input`, and the framework's own setter must not swallow the change.
  function setText(box, text) {
    const setter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(box), "value").set;
    setter.call(box, text);
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function showChips() {
    const text = promptBox()?.value ?? "";
    for (const chip of document.querySelectorAll(".chip[data-phrase]")) {
      const pressed = String(phraseIn(chip.dataset.phrase).test(text));
      if (chip.getAttribute("aria-pressed") !== pressed) chip.setAttribute("aria-pressed", pressed);
    }
  }

  function toggleChip(chip) {
    const box = promptBox();
    if (!box || box.disabled) return;
    const { phrase } = chip.dataset;
    setText(box, phraseIn(phrase).test(box.value) ? withoutPhrase(box.value, phrase) : withPhrase(box.value, phrase));
    showChips();
  }

  document.addEventListener("input", (event) => event.target === promptBox() && showChips());

  // -- copy a link, or the addresses of missing files

  function toBeCopied(button) {
    if (button.dataset.copy !== undefined) return new URL(button.dataset.copy, location.href).href;
    return [...button.closest(".addresses").querySelectorAll("code")].map((code) => code.textContent).join("\n");
  }

  async function copy(button) {
    const address = toBeCopied(button);
    if (!(await toClipboard(address))) {
      window.prompt("", address);
      return;
    }
    const copied = button.dataset.copied || "Copied";
    if (button.textContent === copied) return;
    const before = button.textContent;
    button.style.minWidth = `${button.offsetWidth}px`;
    button.textContent = copied;
    dreamina.say(copied);
    setTimeout(() => {
      if (button.textContent === copied) button.textContent = before;
      button.style.minWidth = "";
    }, COPIED_MS);
  }

  async function toClipboard(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Missing outside https, or refused in a frame: the old way is by selecting.
      const box = document.createElement("textarea");
      const focused = document.activeElement;
      box.value = text;
      box.readOnly = true;
      box.style.cssText = "position: fixed; top: 0; opacity: 0";
      document.body.append(box);
      box.select();
      const done = document.execCommand("copy");
      box.remove();
      focused?.focus({ preventScroll: true });
      return done;
    }
  }

  document.addEventListener("click", (event) => {
    const target = targetOf(event);
    const chip = target?.closest(".chip[data-phrase]");
    const link = target?.closest("[data-copy], [data-copy-addresses]");
    if (chip) toggleChip(chip);
    if (link) copy(link);
    if (target?.closest("#notify")) toggleWish();
  });

  // -- a file dropped anywhere fills the form

  const DRAG_ENDED_MS = 900; // `dragover` comes at least every 550 ms for as long as something is held over the page
  const REFUSED_MS = 3000;
  const FILE_FIELD = "input[type=file], .upload-container";
  let isOwnDrag = false; // a picture of the page that is dragged looks like a file, too
  let dragEnds = 0;

  function isFileOverPage(event) {
    if (isOwnDrag || !event.dataTransfer?.types.includes("Files")) return false;
    return !targetOf(event)?.closest(FILE_FIELD);
  }

  function canHoldSettings(file) {
    const endings = find("[data-drop-endings]")?.dataset.dropEndings.split(" ") ?? [];
    return endings.some((ending) => file.name.toLowerCase().endsWith(ending));
  }

  function showDrop(words, forMs) {
    let cover = find("#drop-cover");
    clearTimeout(dragEnds);
    if (!words) {
      cover?.remove();
      return;
    }
    if (!cover) {
      cover = document.createElement("div");
      cover.id = "drop-cover";
      cover.append(document.createElement("p"));
      homeOf().append(cover);
    }
    const text = cover.firstChild;
    if (text.textContent !== words) text.textContent = words;
    dragEnds = setTimeout(showDrop, forMs);
  }

  const dropWords = (name, otherwise) => find("[data-drop-words]")?.dataset[name] || otherwise;

  // Gradio's upload button keeps its field beside itself, the larger upload area inside.
  function settingsField() {
    let node = find("#settings-file");
    const inside = node?.querySelector("input[type=file]");
    while (node && !inside && !node.matches("input[type=file]")) node = node.previousElementSibling;
    return inside ?? node;
  }

  function onDrag(event) {
    if (!isFileOverPage(event)) {
      showDrop();
      return;
    }
    // Without this the browser would leave the page for the file.
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    showDrop(dropWords("dropWords", find("#settings-file")?.textContent.trim() ?? ""), DRAG_ENDED_MS);
  }

  document.addEventListener("dragstart", () => (isOwnDrag = true), true);
  document.addEventListener("dragend", () => (isOwnDrag = false), true);
  document.addEventListener("dragenter", onDrag, true);
  document.addEventListener("dragover", onDrag, true);
  document.addEventListener("dragleave", (event) => event.relatedTarget || showDrop(), true);
  document.addEventListener("drop", (event) => {
    showDrop();
    if (!isFileOverPage(event)) return;
    event.preventDefault();
    const file = [...event.dataTransfer.files].find(canHoldSettings);
    const field = settingsField();
    if (!file) {
      const words = dropWords("dropRefused", "");
      if (words) dreamina.say(words);
      showDrop(words, REFUSED_MS);
    } else if (field) {
      const transfer = new DataTransfer();
      transfer.items.add(file);
      field.files = transfer.files;
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }
  }, true);

  // -- everything follows what Gradio draws

  function follow() {
    retitle();
    showWish();
    showChips();
  }

  function watch() {
    const options = { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ["data-state", "data-job", "aria-pressed", "data-phrase"] };
    new MutationObserver(follow).observe(document.body, options);
    // A text that a program put into the prompt announces itself by no event.
    setInterval(follow, 1000);
    follow();
  }

  if (document.body) watch();
  else document.addEventListener("DOMContentLoaded", watch);
})();
