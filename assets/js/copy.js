// Copies a link, or the addresses of files that could not be fetched, and confirms it on the button.
//
// Needs:
// - data-copy="?video=…": on a button, the address to copy, relative to the page.
// - data-copy-addresses: on a button in .addresses, whose code elements are copied.
// - data-copied="Copied": on both, the text that the button shows for a moment.
(() => {
  "use strict";

  const { announce, make, targetOf } = dreamina;
  const SHOWN_MS = 2000;

  function textOf(button) {
    if (button.dataset.copy !== undefined) return new URL(button.dataset.copy, location.href).href;
    return [...button.closest(".addresses").querySelectorAll("code")].map((code) => code.textContent).join("\n");
  }

  async function copy(button) {
    const text = textOf(button);
    if (!(await toClipboard(text))) {
      window.prompt("", text);
      return;
    }
    const { copied } = button.dataset;
    const before = button.textContent;
    if (before === copied) return;
    button.style.minWidth = `${button.offsetWidth}px`;
    button.textContent = copied;
    announce(copied);
    setTimeout(() => {
      // Gradio may have drawn the button again.
      if (button.textContent === copied) button.textContent = before;
      button.style.minWidth = "";
    }, SHOWN_MS);
  }

  async function toClipboard(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // The clipboard needs https, and a frame may have no access to it. Otherwise the text is copied from a text box.
      const box = make("textarea", { readonly: "", style: "position: fixed; top: 0; opacity: 0" });
      const focused = document.activeElement;
      box.value = text;
      document.body.append(box);
      box.select();
      const isCopied = document.execCommand("copy");
      box.remove();
      focused?.focus({ preventScroll: true });
      return isCopied;
    }
  }

  document.addEventListener("click", (event) => {
    const button = targetOf(event)?.closest("[data-copy], [data-copy-addresses]");
    if (button) copy(button);
  });
})();
