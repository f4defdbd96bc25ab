// Shows the number of characters beside a text box, and marks a number that is too high.
//
// Needs:
// - .counted.most-<number>: around a text box, with its maximum length. Gradio lets components have classes, but no data attributes.
// Makes:
// - .count: the count, with .over where it is too high.
(() => {
  "use strict";

  const { observeText, make, write } = dreamina;
  const written = (number) => number.toLocaleString(document.documentElement.lang || "en");

  observeText(".counted textarea, .counted input", (box) => {
    const field = box.closest(".counted");
    let count = field.querySelector(".count");
    if (!count) {
      count = make("span", { "class": "count", "aria-live": "off" });
      field.append(count);
    }
    const most = Number([...field.classList].find((name) => name.startsWith("most-")).slice(5));
    // People and the service count characters, not UTF-16 units.
    const length = [...box.value].length;
    write(count, { textContent: `${written(length)} / ${written(most)}` });
    count.classList.toggle("over", length > most);
  });
})();
