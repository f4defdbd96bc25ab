// Selects videos of the history by their checkboxes, also over several pages, and runs the actions on them.
//
// Needs:
// - data-pick: the checkbox of a poster; with Shift, a click selects all between the last one and this one.
// - data-job, data-share, data-video, data-facts: on the posters (posters.js).
// - .picked-bar, .picked-count: in .history-root, the bar and its words.
// - data-do="compare", "show", "vote", "join", "zip", "collect", "delete", "unpick": the bar's buttons.
// - .picked-more: its rarer ones, in .picked-menu, which is opened by data-more.
// - data-words: on .history-root, the sentences `selected`, `compare.pick`, `join.pick`, `join.making` and `export.lost`.
// - `dreamina.askFor` (export.js).
(() => {
  "use strict";

  const { download, find, observe, make, posters, targetOf, wordsOf, write, writeAttribute } = dreamina;
  const picked = new Map(); // job id → its details, which are needed when its poster is on another page
  let pickedLast = "";
  let joining = ""; // the address of what is being joined
  let told = ""; // what came of it
  let isMenuOpen = false;

  const videos = () => [...picked.values()].filter((one) => one.video);
  const saved = () => [...picked.values()].filter((one) => one.isSaved);

  function detailsOf(poster) {
    const { job, share, video, facts } = poster.dataset;
    const prompt = poster.querySelector(".poster-prompt").textContent;
    return { job, share, video, prompt, isSaved: facts !== undefined, facts: JSON.parse(facts ?? "[]") };
  }

  function show() {
    for (const poster of posters()) {
      const box = poster.querySelector("[data-pick]");
      const { job } = poster.dataset;
      if (picked.has(job)) {
        if (box) picked.set(job, detailsOf(poster));
        else picked.delete(job);
      }
      write(box, { checked: picked.has(job) });
    }
    showBar();
  }

  function showBar() {
    const root = find(".history-root");
    if (!root) return;
    const say = wordsOf(root);
    const canCompare = picked.size >= 2 && picked.size <= dreamina.compareMost && videos().length === picked.size;
    isMenuOpen &&= picked.size > 0;
    write(root.querySelector(".picked-bar"), { hidden: picked.size === 0 });
    write(root.querySelector(".picked-menu"), { hidden: !isMenuOpen });
    writeAttribute(root.querySelector("[data-more]"), "aria-expanded", String(isMenuOpen));
    write(root.querySelector('[data-do="compare"]'), { disabled: !canCompare, title: canCompare ? "" : say("compare.pick") });
    const canJoin = picked.size > 1 && videos().length === picked.size;
    write(root.querySelector('[data-do="join"]'), { disabled: !canJoin || joining !== "", title: canJoin ? "" : say("join.pick") });
    write(root.querySelector('[data-do="vote"]'), { disabled: saved().length < 2 });
    for (const name of ["show", "zip", "collect"]) {
      write(root.querySelector(`[data-do="${name}"]`), { disabled: !saved().length });
    }
    const words = picked.size ? [["picked-number", say("selected", { count: picked.size })]] : [];
    if (told) words.push(["picked-hint", told]);
    else if (picked.size && !canCompare) words.push(["picked-hint", say("compare.pick")]);
    const count = root.querySelector(".picked-count");
    if (count.textContent === words.map(([, text]) => text).join(" ")) return;
    count.replaceChildren(...words.flatMap(([name, text]) => [" ", make("span", { "class": name }, text)]).slice(1));
  }

  async function join() {
    const say = wordsOf(find(".history-root"));
    const address = `dreamina/join?${videos().map((one) => `job=${encodeURIComponent(one.share)}`).join("&")}`;
    joining = address;
    told = say("join.making", { count: picked.size });
    show();
    const { said, error } = await dreamina.askFor(address, say("export.lost"));
    joining = "";
    told = said ?? error ?? say("export.lost");
    if (!picked.size) dreamina.announce(told);
    show();
    if (said) download(address);
  }

  function pick(box, isRange) {
    told = joining ? told : "";
    const shown = posters();
    const to = shown.indexOf(box.closest("[data-job]"));
    const from = shown.findIndex((poster) => poster.dataset.job === pickedLast);
    const range = isRange && from >= 0 ? shown.slice(Math.min(from, to), Math.max(from, to) + 1) : [shown[to]];
    for (const poster of range) {
      if (!poster.querySelector("[data-pick]")) continue;
      if (box.checked) picked.set(poster.dataset.job, detailsOf(poster));
      else picked.delete(poster.dataset.job);
    }
    pickedLast = shown[to].dataset.job;
    show();
  }

  function openMenu(isOpen) {
    if (isMenuOpen === isOpen) return;
    // A button that is hidden with the focus would lose it.
    if (find(".picked-menu:focus-within")) find("[data-more]").focus();
    isMenuOpen = isOpen;
    showBar();
  }

  const asQuery = (listed) => listed.map((one) => `video=${encodeURIComponent(one.share)}`).join("&");

  const actions = {
    collect: () => dreamina.collect([...picked.keys()]),
    compare: () => dreamina.compare(videos(), wordsOf(find(".history-root"))),
    delete: () => dreamina.deleteJobs([...picked.keys()]),
    join,
    unpick() {
      picked.clear();
      told = joining ? told : "";
      show();
      dreamina.focusPosters();
    },
    show: () => dreamina.showMode(saved().map((one) => one.share)),
    vote: () => window.open(`vote/new?${asQuery(saved())}`, "_blank", "noopener"),
    zip: () => download(`dreamina/zip?${asQuery(saved())}`),
  };

  document.addEventListener("click", (event) => {
    const target = targetOf(event);
    const button = target?.closest(".picked-bar [data-do]");
    openMenu(target?.closest("[data-more]") ? !isMenuOpen : false);
    if (button) actions[button.dataset.do]();
    if (target?.matches(".posters [data-pick]")) pick(target, event.shiftKey);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !isMenuOpen || find("dialog[open]")) return;
    event.preventDefault();
    openMenu(false);
  }, { capture: true }); // before keyboard.js, where Escape may cancel a job
  document.addEventListener("focusin", (event) => !targetOf(event)?.closest(".picked-more") && openMenu(false));
  // In the order in which they were picked.
  dreamina.pickedJobs = () => [...picked.keys()];
  dreamina.unpick = actions.unpick;
  document.addEventListener("dreamina:deleted", ({ detail: { jobs } }) => {
    for (const job of jobs) picked.delete(job);
    show();
  });
  dreamina.pickedShares = () => saved().map((one) => one.share);
  observe(show, "data-job", "data-words", "data-facts", "hidden", "disabled", "title");
})();
