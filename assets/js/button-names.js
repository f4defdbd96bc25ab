// Gives an accessible name to the two buttons that show only a symbol: Gradio's buttons have no name but their text.
//
// Needs:
// - #dice, #lock: the buttons beside the seed.
// - data-dice, data-lock: their names, on #keys-sheet.
(() => {
  "use strict";

  const { find, observe, write, writeAttribute } = dreamina;

  observe(() => {
    const names = find("#keys-sheet")?.dataset;
    if (!names) return;
    for (const id of ["dice", "lock"]) {
      const button = find(`#${id}`);
      write(button, { title: names[id] });
      writeAttribute(button, "aria-label", names[id]);
    }
  }, "data-dice", "data-lock", "title", "aria-label");
})();
