// What the page does by itself: the count of characters, the clock, the keys, and picking a stream up again.
// Gradio re-renders its components at will, so everything here listens on the document and looks elements up anew.
(() => {
  "use strict";

  const WATCH_AGAIN_AFTER_MS = 15000;
  const find = (selector) => document.querySelector(selector);

  // People count characters, not UTF-16 units; so does the service.
  const countOf = (text) => [...text].length;

  function showCount(box) {
    const wrap = box.closest(".counted");
    if (!wrap) return;
    const most = Number([...wrap.classList].find((name) => name.startsWith("most-"))?.slice(5));
    let count = wrap.querySelector(".count");
    if (!count) {
      count = document.createElement("span");
      count.className = "count";
      count.setAttribute("aria-live", "off");
      wrap.append(count);
    }
    const held = countOf(box.value);
    count.textContent = `${held} / ${most}`;
    count.classList.toggle("over", held > most);
  }

  // The server says how long a job has run; from there on the time passes here, without a word over the wire.
  function tick() {
    for (const clock of document.querySelectorAll(".clock[data-elapsed]")) {
      if (clock.dataset.seen !== clock.dataset.elapsed) {
        clock.dataset.seen = clock.dataset.elapsed;
        clock.since = performance.now() - Number(clock.dataset.elapsed) * 1000;
      }
      const runs = clock.dataset.runs === "yes";
      const elapsed = runs ? (performance.now() - clock.since) / 1000 : Number(clock.dataset.elapsed);
      const words = minutes(elapsed);
      if (clock.textContent !== words) clock.textContent = words;
      showEstimate(clock, elapsed);
    }
  }

  const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

  function showEstimate(clock, elapsed) {
    const estimate = clock.parentElement.querySelector(".estimate");
    if (!estimate?.dataset.usual) return;
    const left = Number(estimate.dataset.usual) - elapsed;
    const words = left > 0 ? estimate.dataset.left.replace("{time}", minutes(Math.ceil(left))) : estimate.dataset.over;
    if (estimate.textContent !== words) estimate.textContent = words;
  }

  // The history is drawn when a job starts and ends; in between, the stage knows better how it is going.
  function showProgress() {
    const status = find("#status .status");
    if (!status || !isRunning()) return;
    const badge = find(`#history [data-job="${CSS.escape(status.dataset.job)}"] .poster-state`);
    const words = status.querySelector(".status-words").textContent;
    if (badge && badge.textContent !== words) badge.textContent = words;
  }

  function isRunning() {
    return Boolean(find('#status .clock[data-runs="yes"]'));
  }

  let hiddenAt = 0;
  function watchAgain() {
    if (isRunning()) find("#watch-again")?.click();
  }

  // A choice made here goes before the browser's language; the server tells Gradio of it when the page is loaded.
  const LANGUAGE = "dreamina_language";
  document.addEventListener("click", (event) => {
    const language = event.target.closest?.("[data-language]")?.dataset.language;
    if (!language) return;
    const site = location.protocol === "https:" ? "; Secure; SameSite=None; Partitioned" : "; SameSite=Lax";
    document.cookie = `${LANGUAGE}=${language}; Path=/; Max-Age=31536000${site}`;
    location.reload();
  });

  document.addEventListener("input", (event) => {
    if (event.target.matches(".counted textarea, .counted input")) showCount(event.target);
  });
  // A laptop that slept has lost its stream.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) hiddenAt = performance.now();
    else if (hiddenAt && performance.now() - hiddenAt > WATCH_AGAIN_AFTER_MS) watchAgain();
  });
  window.addEventListener("online", watchAgain);

  // A poster that cannot be had is no broken picture: a blank with the kind of file stands in its place.
  document.addEventListener("error", (event) => {
    const picture = event.target;
    if (!(picture instanceof HTMLImageElement) || picture.dataset.poster === undefined) return;
    const blank = document.createElement("span");
    blank.className = "poster-blank";
    blank.append(Object.assign(document.createElement("span"), { textContent: picture.dataset.poster }));
    picture.replaceWith(blank);
  }, true);

  // Gradio's buttons have no name but their text, and these two show a sign.
  function nameSigns() {
    for (const id of ["dice", "lock"]) {
      const name = find("#keys-sheet")?.dataset[id];
      const button = find(`#${id}`);
      if (!name || !button || button.title === name) continue;
      button.title = name;
      button.setAttribute("aria-label", name);
    }
  }

  setInterval(() => {
    tick();
    nameSigns();
    showProgress();
    for (const box of document.querySelectorAll(".counted textarea, .counted input")) showCount(box);
  }, 250);

  // One id for one wish: a double click, or a click while the first one is still being sent, is the same click. Who has
  // changed something in between wishes for something else.
  const SAME_CLICK_MS = 1000;
  let click = { id: "", wish: "", at: -Infinity };
  function clickId(wish) {
    if (wish !== click.wish || performance.now() - click.at > SAME_CLICK_MS) {
      const bytes = crypto.getRandomValues(new Uint8Array(16));
      click.id = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    }
    click.wish = wish;
    click.at = performance.now();
    return click.id;
  }

  window.dreamina = Object.assign(window.dreamina || {}, {
    // Gradio hands over the values of the inputs; the click's id is the last of them.
    withClickId: (...values) => [...values.slice(0, -1), clickId(JSON.stringify(values.slice(0, -1)))],

    // The last seed that was used, or again a new one each time.
    lockSeed: (seed) => (Number(seed) === -1 ? Number(find("#facts [data-seed]")?.dataset.seed ?? -1) : -1),

    examples(element, trigger) {
      element.addEventListener("click", (event) => {
        const example = event.target.closest("[data-example]");
        if (example) trigger("select", { name: example.dataset.example });
      });
    },

    variations(element, trigger) {
      element.addEventListener("click", (event) => {
        const variation = event.target.closest("[data-variation]");
        if (variation) trigger("select", { job_id: variation.dataset.variation });
      });
    },
  });
})();
