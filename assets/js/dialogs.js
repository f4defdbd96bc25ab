// Opens the list of keys by its button; closes every dialog by its own button and by a click beside it.
//
// Needs:
// - data-keys: the button that opens the list.
// - #keys-sheet: the dialog with the list.
// - data-close: the button that closes the dialog it is in.
(() => {
  "use strict";

  const { find, targetOf } = dreamina;

  document.addEventListener("click", (event) => {
    const target = targetOf(event);
    if (target?.closest("[data-keys]")) find("#keys-sheet")?.showModal();
    target?.closest("dialog [data-close]")?.closest("dialog").close();
    if (target?.matches("dialog[open]") && isBeside(target, event)) target.close();
  });

  // A click on the backdrop has the dialog as its target.
  function isBeside(dialog, { clientX: x, clientY: y }) {
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    return x < left || x > right || y < top || y > bottom;
  }
})();
