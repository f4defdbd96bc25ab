// The keys of the whole page: Ctrl+Enter generates, "/" searches, "?" lists the keys, Escape cancels.
//
// arrow-keys.js has the keys of the history, compare.js those of its dialog.
//
// Needs:
// - #generate, #cancel: Gradio's buttons.
// - #field-prompt: the prompt, in which Escape cancels, too.
// - #history-search: the search.
// - #keys-sheet: the dialog that lists the keys.
(() => {
  "use strict";

  const { find, targetOf } = dreamina;
  const NOT_TEXT = new Set(["button", "checkbox", "color", "file", "image", "radio", "range", "reset", "submit"]);
  const TEXT = "textarea, select, [role=textbox], [role=combobox], [role=listbox], [role=searchbox]";
  const isShown = (node) => Boolean(node && node.getClientRects().length && getComputedStyle(node).visibility === "visible");

  function isTyping(node) {
    if (node instanceof HTMLInputElement) return !NOT_TEXT.has(node.type);
    return Boolean(node?.isContentEditable || node?.closest(TEXT));
  }

  function press(event, button) {
    if (!isShown(button)) return;
    event.preventDefault();
    button.click();
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
      find("#keys-sheet")?.showModal();
    },
    Escape(event) {
      // In full screen the browser needs this key.
      if (!document.fullscreenElement) press(event, find("#cancel"));
    },
  };

  document.addEventListener("keydown", (event) => {
    const target = targetOf(event);
    const isInDialog = find("dialog[open]") || target?.closest("[role=dialog], [role=alertdialog]");
    if (event.defaultPrevented || event.isComposing || isInDialog) return;
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key === "Enter") {
      if (!event.repeat) press(event, find("#generate"));
      return;
    }
    // Shift is allowed: "?" needs it, and on a German keyboard "/", too.
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    // After Ctrl+Enter the focus is still in the prompt, where Escape has no other meaning.
    const isCancel = event.key === "Escape" && target?.closest("#field-prompt");
    if (isTyping(target) && !isCancel) return;
    if (Object.hasOwn(single, event.key)) single[event.key](event);
  });
})();
