// The keys of the whole page. Those of the history's posters and of the compare dialog are in history.js.
(() => {
  "use strict";

  const NOT_TEXT = new Set(["button", "checkbox", "color", "file", "image", "radio", "range", "reset", "submit"]);
  const find = (selector) => document.querySelector(selector);
  const isShown = (node) => Boolean(node && node.getClientRects().length && getComputedStyle(node).visibility === "visible");

  function isTyping(node) {
    if (!(node instanceof Element)) return false;
    if (node instanceof HTMLInputElement) return !NOT_TEXT.has(node.type);
    return node.isContentEditable || Boolean(node.closest("textarea, select, [role=textbox], [role=combobox], [role=listbox], [role=searchbox]"));
  }

  function isInDialog(node) {
    return Boolean(find("dialog[open]") || (node instanceof Element && node.closest("[role=dialog], [role=alertdialog]")));
  }

  function press(event, node) {
    if (!isShown(node)) return;
    event.preventDefault();
    node.click();
  }

  const single = {
    "/"(event) {
      const box = find("#history-search textarea, #history-search input");
      if (!isShown(box)) return;
      event.preventDefault();
      box.focus();
      box.select();
    },
    "?"(event) {
      event.preventDefault();
      openSheet(find("#keys-sheet"));
    },
    Escape(event) {
      // In full screen the browser needs this key.
      if (!document.fullscreenElement) press(event, find("#cancel"));
    },
  };

  function openSheet(dialog) {
    if (dialog && !dialog.open) dialog.showModal();
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || isInDialog(event.target)) return;
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key === "Enter") {
      if (!event.repeat) press(event, find("#generate"));
      return;
    }
    // Shift is no modifier here: it takes one to type "?", and in German also "/".
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    // Who generates by Ctrl+Enter is still in the prompt, where this key means nothing else.
    const isCancel = event.key === "Escape" && event.target instanceof Element && event.target.closest("#field-prompt");
    if (isTyping(event.target) && !isCancel) return;
    if (Object.hasOwn(single, event.key)) single[event.key](event);
  });

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (target?.closest("[data-keys]")) openSheet(find("#keys-sheet"));
    target?.closest("dialog [data-close]")?.closest("dialog").close();
    // Beside an open dialog is its backdrop, and a click there belongs to the dialog itself.
    if (target?.matches("dialog[open]")) {
      const { left, right, top, bottom } = target.getBoundingClientRect();
      const { clientX: x, clientY: y } = event;
      if (x < left || x > right || y < top || y > bottom) target.close();
    }
  });
})();
