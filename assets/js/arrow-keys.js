// Moves the focus through the history by the arrow keys, Home and End, and keeps it on its job when posters come and go.
//
// Only one poster is in the tab order; the arrow keys reach the others.
//
// Needs:
// - data-job: on the posters (posters.js).
// - data-open, data-pick, data-star: the button, the checkbox and the star of a poster, between which the keys do not move.
(() => {
  "use strict";

  const { observe, posters, prefersLessMotion, targetOf, write } = dreamina;
  const POSTER = ".history-root .posters > [data-job]";
  const PART = "[data-open], [data-pick], [data-star]";
  let current = ""; // the job whose poster is in the tab order
  let focused = null; // where the focus is inside the list: { job, part, index }

  function showTabStop() {
    const shown = posters();
    const stop = shown.find((poster) => poster.dataset.job === current) ?? shown[0];
    for (const poster of shown) {
      for (const part of poster.querySelectorAll(PART)) write(part, { tabIndex: poster === stop ? 0 : -1 });
    }
  }

  function keepFocus() {
    const active = document.activeElement;
    if (!focused || (active !== document.body && !active?.closest(".posters"))) return;
    if (active?.closest("[data-job]")?.dataset.job === focused.job) return;
    const shown = posters();
    const same = shown.find((poster) => poster.dataset.job === focused.job);
    focusOn(same ?? shown[Math.min(focused.index, shown.length - 1)], focused.part, { preventScroll: true });
  }

  function focusOn(poster, part, options = {}) {
    (poster?.querySelector(part) ?? poster?.querySelector("[data-open]"))?.focus(options);
  }

  const partOf = (node) => PART.split(", ").find((part) => node.matches(part)) ?? "[data-open]";

  document.addEventListener("focusin", (event) => {
    const poster = targetOf(event)?.closest(POSTER);
    focused = null;
    if (!poster) return;
    current = poster.dataset.job;
    focused = { job: current, part: partOf(event.target), index: posters().indexOf(poster) };
    showTabStop();
  });

  document.addEventListener("focusout", (event) => {
    // A removed node loses the focus, too, but must still count as focused. Only after the event it is known to be removed.
    const left = focused;
    setTimeout(() => {
      if (focused === left && event.target.isConnected && document.activeElement === document.body) focused = null;
    });
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const target = targetOf(event);
    const poster = target?.closest(POSTER);
    if (!poster || !target.matches(PART)) return;
    const next = neighbour(poster, event.key);
    if (!next) return;
    event.preventDefault();
    focusOn(next, partOf(target));
    next.scrollIntoView({ block: "nearest", behavior: prefersLessMotion() ? "auto" : "smooth" });
  });

  function neighbour(poster, key) {
    const shown = posters();
    const at = shown.indexOf(poster);
    if (key === "ArrowLeft") return shown[at - 1];
    if (key === "ArrowRight") return shown[at + 1];
    if (key === "Home") return shown[0];
    if (key === "End") return shown.at(-1);
    if (key !== "ArrowUp" && key !== "ArrowDown") return undefined;
    const here = poster.getBoundingClientRect();
    const isAhead = ({ top }) => (key === "ArrowDown" ? top > here.top + 1 : top < here.top - 1);
    const away = ({ top, left }) => [Math.abs(top - here.top), Math.abs(left - here.left)];
    return shown
      .map((other) => ({ other, box: other.getBoundingClientRect() }))
      .filter(({ box }) => isAhead(box))
      .sort((one, two) => {
        const [[oneDown, oneAside], [twoDown, twoAside]] = [away(one.box), away(two.box)];
        return Math.abs(oneDown - twoDown) > 1 ? oneDown - twoDown : oneAside - twoAside;
      })[0]?.other;
  }

  observe(() => {
    showTabStop();
    keepFocus();
  }, "data-job", "tabindex");

  // A bar calls this when it is hidden while it has the focus.
  dreamina.focusPosters = () => focusOn(posters().find((poster) => poster.querySelector("[data-open]").tabIndex === 0), "[data-open]");
})();
