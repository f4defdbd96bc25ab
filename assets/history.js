// The history: open a video, pick some, delete with undo, walk by arrow keys, and compare two of them in step.
// The server sends the posters as data, and they are made here. Gradio patches what it knows of, and takes away what it
// does not: so the list, and all that must last, is kept here by job id, and put back after each change.
(() => {
  "use strict";

  const dreamina = (window.dreamina = window.dreamina || {});
  const UNDO_MS = 12000;
  const UNDO_TICK_MS = 200;
  const SPOKEN = {
    "compare": "Compare", "compare.pick": "Pick two videos to compare them", "close": "Close", "play": "Play",
    "pause": "Pause", "position": "Position", "selected": "{count} selected", "differs": "differs",
    "deleted": "{count} deleted", "undo": "Undo", "pick": "{prompt}", "download": "Download", "undecodable": "{kind}",
    "kind.video": "Video", "kind.picture": "Picture", "kind.sound": "Sound", "kind.file": "File",
  };

  const picked = new Map(); // job id → what compare and zip need, also when its poster is on another page
  let trigger = () => {};
  let current = ""; // the job whose poster the tab key reaches
  let held = null; // where the focus is inside the list: { job, part, index }
  let pickedLast = "";
  let undo = null; // { jobs, left, at, timer }

  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const rootNow = () => document.querySelector(".history-root");
  const postersOf = (root) => [...root.querySelectorAll(".posters > [data-job]")];
  const withVideo = () => [...picked.values()].filter((one) => one.video);

  function say(key, values = {}) {
    const words = { ...SPOKEN, ...read(rootNow()?.dataset.words, {}) };
    return words[key].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  }

  function read(json, otherwise) {
    try {
      return JSON.parse(json ?? "");
    } catch {
      return otherwise;
    }
  }

  // Only what differs is written: each write wakes the observer, which calls `apply` again.
  function write(node, values) {
    for (const [name, value] of Object.entries(values)) if (node && node[name] !== value) node[name] = value;
  }

  // -- the posters: `[job, share, state, can it be picked, word, prompt, value of a field…]`, see history_html.py

  const VIDEO = 0, SOUND = 2, NO_FILE = 4;
  const PICTURED = /\.(mp4|webm|mov|3gp|mkv|avi|flv|ts|mpg|wmv|ogv|image\.\w+)$/; // the files that a poster can be made of
  const SHOWN_MOST = 160; // characters of a prompt on its poster
  const SPOKEN_MOST = 80; // and beside it
  const made = new Map(); // job id → { node, from }, of the posters on the page
  const list = make("ul", { "class": "posters" });
  let listFrom = "";

  // Nothing is touched that is there already: pictures stay loaded, and the observer is not woken again.
  function build(root) {
    const { posters, folder, fields } = root.dataset;
    if (posters === undefined) {
      if (list.parentNode) list.remove();
      return;
    }
    const from = [posters, folder, fields, root.dataset.words].join("\n");
    if (from !== listFrom) {
      listFrom = from;
      const all = read(posters, []);
      const titles = read(fields, []);
      const stays = new Set(all.map(([job]) => job));
      for (const [job, { node }] of made) {
        if (stays.has(job)) continue;
        node.remove();
        made.delete(job);
      }
      all.forEach((one, at) => {
        const node = posterOf(one, folder, titles);
        if (list.children[at] !== node) list.insertBefore(node, list.children[at] ?? null);
      });
    }
    if (list.parentNode !== root) root.append(list);
  }

  function posterOf(one, folder, titles) {
    const [job, share, stateAndEnd, isPickable, word, prompt, ...values] = one;
    // The end of the first file's name, where the server names it.
    const [state, end] = Array.isArray(stateAndEnd) ? stateAndEnd : [stateAndEnd, ".mp4"];
    const from = JSON.stringify([one, folder, titles, say("pick")]);
    const known = made.get(job);
    if (known?.from === from) return known.node;
    const node = known?.node ?? make("li", {}, make("button", { type: "button", "class": "poster-open", "data-open": "" }));
    made.set(job, { node, from });
    const file = `${folder}${encodeURIComponent(share)}`;
    // A number is the kind of file that is here, or 4 for none; a word is the state of a job that has made nothing.
    const isDone = typeof state === "number";
    const isHere = isDone && state !== NO_FILE;
    const attributes = { "class": `poster ${isHere ? "succeeded" : isDone ? "no-file" : state}`, "data-job": job, "data-share": share };
    if (isHere) attributes["data-facts"] = JSON.stringify(factsOf(titles, values, prompt));
    if (state === VIDEO) attributes["data-video"] = `${file}${end}`;
    for (const name of ["data-video", "data-facts"]) if (!(name in attributes)) node.removeAttribute(name);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    // The button stays, and with it the focus.
    const shown = short(prompt, SHOWN_MOST);
    const button = node.querySelector("[data-open]");
    button.setAttribute("title", shown);
    button.replaceChildren(
      pictureOf(state, file, end),
      make("span", { "class": "poster-state" }, word),
      make("span", { "class": "poster-prompt" }, shown));
    node.querySelector(".poster-pick")?.remove();
    const label = say("pick", { prompt: short(prompt, SPOKEN_MOST) });
    if (isPickable) node.append(make("label", { "class": "poster-pick" }, make("input", { type: "checkbox", "data-pick": "", "aria-label": label })));
    return node;
  }

  // A sound and most other files have no poster. One that fails to load is replaced by `studio.js`.
  function pictureOf(state, file, end) {
    const kind = ["video", "picture", "sound", "file"][state];
    if (!kind) return make("span", { "class": state === NO_FILE ? "poster-blank kind-none" : "poster-blank", "aria-hidden": "true" });
    if (state === SOUND || !PICTURED.test(end)) return make("span", { "class": `poster-blank kind-${kind}` }, make("span", {}, say(`kind.${kind}`)));
    const src = `${file}${end.replace(/\..*$/, "")}.webp`;
    return make("img", { alt: "", loading: "lazy", decoding: "async", src, "data-poster": say(`kind.${kind}`) });
  }

  function factsOf(titles, values, prompt) {
    return titles.flatMap(([title, labels], at) => {
      const value = values[at] ?? null;
      if (value === null) return [];
      return [[title, value === true ? prompt : typeof value === "number" ? labels[value] : value]];
    });
  }

  function short(text, most) {
    const letters = [...text];
    return letters.length <= most ? text : `${letters.slice(0, most - 1).join("").trimEnd()}…`;
  }

  // -- put back what a change of the list took away

  function apply() {
    const root = rootNow();
    if (!root) return;
    build(root);
    for (const poster of postersOf(root)) {
      const box = poster.querySelector("[data-pick]");
      const job = poster.dataset.job;
      if (picked.has(job)) {
        if (box && !box.disabled) picked.set(job, detailsOf(poster));
        else picked.delete(job);
      }
      if (box) box.checked = picked.has(job);
    }
    showPicked(root);
    showUndo(root);
    rove(root);
    refocus(root);
  }

  function detailsOf(poster) {
    const { job, share, video, facts } = poster.dataset;
    const prompt = poster.querySelector(".poster-prompt")?.textContent ?? "";
    return { job, share, video, prompt, isHere: poster.classList.contains("succeeded"), facts: read(facts, []) };
  }

  function showPicked(root) {
    const bar = root.querySelector(".picked-bar");
    if (!bar) return;
    const videos = withVideo().length;
    const canCompare = picked.size === 2 && videos === 2;
    write(bar, { hidden: picked.size === 0 });
    showCount(bar.querySelector(".picked-count"), !canCompare);
    write(bar.querySelector('[data-do="compare"]'), {
      disabled: !canCompare,
      title: canCompare ? "" : say("compare.pick"),
    });
    write(bar.querySelector('[data-do="zip"]'), { disabled: ![...picked.values()].some((one) => one.isHere) });
  }

  function showCount(count, isHinting) {
    const words = picked.size ? [["picked-number", say("selected", { count: picked.size })]] : [];
    if (picked.size && isHinting) words.push(["picked-hint", say("compare.pick")]);
    if (!count || count.textContent === words.map(([, text]) => text).join(" ")) return;
    count.replaceChildren(...words.flatMap(([name, text]) => [" ", make("span", { "class": name }, text)]).slice(1));
  }

  function showUndo(root) {
    const bar = root.querySelector(".undo-bar");
    if (!bar) return;
    const words = bar.querySelector("span");
    write(bar, { hidden: !undo });
    // Above the other bar, however many lines that one takes.
    const above = `${(undo && root.querySelector(".picked-bar")?.offsetHeight) || 0}px`;
    if (bar.style.getPropertyValue("--above") !== above) bar.style.setProperty("--above", above);
    write(words, { textContent: undo ? say("deleted", { count: undo.jobs.length }) : "", id: "undo-words" });
    const button = bar.querySelector('[data-do="undo"]');
    if (button && !button.hasAttribute("aria-describedby")) button.setAttribute("aria-describedby", "undo-words");
  }

  // One poster is in the tab order, the arrow keys reach the others.
  function rove(root) {
    const posters = postersOf(root);
    const stop = posters.find((poster) => poster.dataset.job === current) ?? posters[0];
    for (const poster of posters) {
      for (const part of poster.querySelectorAll("[data-open], [data-pick]")) {
        write(part, { tabIndex: poster === stop ? 0 : -1 });
      }
    }
  }

  // The focus follows its job when posters come or go before it.
  function refocus(root) {
    if (!held) return;
    const active = document.activeElement;
    if (active !== document.body && !active?.closest(".posters")) return;
    if (active?.closest("[data-job]")?.dataset.job === held.job) return;
    const posters = postersOf(root);
    const there = posters.find((poster) => poster.dataset.job === held.job);
    focusOn(there ?? posters[Math.min(held.index, posters.length - 1)], held.part, { preventScroll: true });
  }

  function focusOn(poster, part = "[data-open]", options = {}) {
    (poster?.querySelector(part) ?? poster?.querySelector("[data-open]"))?.focus(options);
  }

  // A bar that goes takes the focus with it, unless it is handed on.
  function focusList() {
    const root = rootNow();
    if (root) focusOn(postersOf(root).find((poster) => poster.querySelector("[data-open]")?.tabIndex === 0));
  }

  // -- what a click does

  function open(job) {
    trigger("select", { job_id: job });
    const stage = document.querySelector(".stage");
    if (!stage) return;
    const { top, bottom } = stage.getBoundingClientRect();
    const seen = Math.min(bottom, innerHeight) - Math.max(top, 0);
    if (seen >= Math.min(bottom - top, innerHeight) * 0.6) return;
    stage.scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "start" });
  }

  function zip() {
    const shares = [...picked.values()].filter((one) => one.isHere).map((one) => `video=${encodeURIComponent(one.share)}`);
    if (!shares.length) return;
    const link = make("a", { href: `dreamina/zip?${shares.join("&")}`, download: "", hidden: "" });
    document.body.append(link);
    link.click();
    link.remove();
  }

  function remove(jobs) {
    if (!jobs.length) return;
    trigger("delete", { job_ids: jobs });
    offerUndo(jobs);
  }

  function offerUndo(jobs) {
    for (const job of jobs) picked.delete(job);
    const before = undo?.jobs ?? [];
    stopUndo();
    // What was deleted a moment ago comes back by the same button: a second delete must not take its undo away.
    undo = { jobs: [...new Set([...before, ...jobs])], left: UNDO_MS, at: performance.now() };
    undo.timer = setInterval(countDown, UNDO_TICK_MS);
    apply();
    rootNow()?.querySelector('.undo-bar [data-do="undo"]')?.focus({ preventScroll: true });
  }

  function countDown() {
    const now = performance.now();
    const bar = rootNow()?.querySelector(".undo-bar");
    // A focus that a mouse click has put there does not hold it: it would stay for as long as nobody clicks elsewhere.
    const isHeld = bar?.matches(":hover") || bar?.querySelector(":focus-visible");
    if (!isHeld) undo.left -= now - undo.at;
    undo.at = now;
    bar?.style.setProperty("--left", Math.max(0, undo.left / UNDO_MS).toFixed(3));
    if (undo.left <= 0) endUndo();
  }

  function stopUndo() {
    clearInterval(undo?.timer);
    undo = null;
  }

  function endUndo() {
    const hadFocus = rootNow()?.querySelector(".undo-bar")?.contains(document.activeElement);
    stopUndo();
    apply();
    if (hadFocus) focusList();
  }

  const actions = {
    zip,
    compare: () => withVideo().length === 2 && compare(...withVideo()),
    delete: () => remove([...picked.keys()]),
    unpick() {
      picked.clear();
      apply();
      focusList();
    },
    undo() {
      if (!undo) return;
      trigger("undo", { job_ids: undo.jobs });
      endUndo();
    },
  };

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const deleted = target?.closest("[data-delete]");
    if (deleted) remove([deleted.dataset.delete]);
    const root = target?.closest(".history-root");
    if (!root) return;
    const opened = target.closest("[data-open]")?.closest("[data-job]");
    if (opened) open(opened.dataset.job);
    const action = target.closest("[data-do]");
    if (action && !action.disabled) actions[action.dataset.do]?.();
    if (target.matches("[data-pick]")) pick(root, target, event.shiftKey);
  });

  // With shift, all from the one picked before to this one.
  function pick(root, box, isRange) {
    const posters = postersOf(root);
    const to = posters.indexOf(box.closest("[data-job]"));
    const from = posters.findIndex((poster) => poster.dataset.job === pickedLast);
    const range = isRange && from >= 0 ? posters.slice(Math.min(from, to), Math.max(from, to) + 1) : [posters[to]];
    for (const poster of range) {
      if (poster.querySelector("[data-pick]:disabled") || !poster.querySelector("[data-pick]")) continue;
      if (box.checked) picked.set(poster.dataset.job, detailsOf(poster));
      else picked.delete(poster.dataset.job);
    }
    pickedLast = posters[to].dataset.job;
    apply();
  }

  // -- walking by keys

  document.addEventListener("focusin", (event) => {
    const poster = event.target.closest?.(".history-root .posters > [data-job]");
    held = null;
    if (!poster) return;
    current = poster.dataset.job;
    const part = event.target.matches("[data-pick]") ? "[data-pick]" : "[data-open]";
    const root = poster.closest(".history-root");
    held = { job: current, part, index: postersOf(root).indexOf(poster) };
    rove(root);
  });

  document.addEventListener("focusout", (event) => {
    // A node that was taken away still counts as where the person was; only a moment later is it known which it is.
    const left = held;
    setTimeout(() => {
      if (held === left && event.target.isConnected && document.activeElement === document.body) held = null;
    });
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const poster = event.target.closest?.(".history-root .posters > [data-job]");
    if (!poster || !event.target.matches("[data-open], [data-pick]")) return;
    const next = neighbour(postersOf(poster.closest(".history-root")), poster, event.key);
    if (!next) return;
    event.preventDefault();
    focusOn(next, event.target.matches("[data-pick]") ? "[data-pick]" : "[data-open]");
    next.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
  });

  function neighbour(posters, poster, key) {
    const at = posters.indexOf(poster);
    if (key === "ArrowLeft") return posters[at - 1];
    if (key === "ArrowRight") return posters[at + 1];
    if (key === "Home") return posters[0];
    if (key === "End") return posters.at(-1);
    if (key !== "ArrowUp" && key !== "ArrowDown") return undefined;
    const here = poster.getBoundingClientRect();
    const isAhead = ({ top }) => (key === "ArrowDown" ? top > here.top + 1 : top < here.top - 1);
    const away = ({ top, left }) => [Math.abs(top - here.top), Math.abs(left - here.left)];
    return posters
      .map((other) => ({ other, box: other.getBoundingClientRect() }))
      .filter(({ box }) => isAhead(box))
      .sort((one, two) => {
        const [[oneDown, oneAside], [twoDown, twoAside]] = [away(one.box), away(two.box)];
        return Math.abs(oneDown - twoDown) > 1 ? oneDown - twoDown : oneAside - twoAside;
      })[0]?.other;
  }

  // -- compare: two videos, one clock

  const FRAME_S = 1 / 24;
  const SMALL_DRIFT_S = 0.01;
  const IMPATIENT_MS = 1500; // some phones load nothing into a paused video: after this long it is played anyway

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  function compare(one, two) {
    const sides = [["A", one], ["B", two]];
    const names = [...new Set([...one.facts, ...two.facts].map(([name]) => name))];
    const valueOf = (side, name) => side.facts.find(([other]) => other === name)?.[1] ?? "–";
    const videos = sides.map(([letter, side]) => {
      const video = make("video", { playsinline: "", preload: "auto", "aria-label": `${letter}: ${side.prompt}` });
      video.muted = true;
      video.src = side.video;
      video.id = `compare-${letter}`;
      return video;
    });
    const sentences = sides.map(([letter, side]) =>
      make("p", { "class": "undecodable", role: "status", hidden: "", "data-undecodable": `compare-${letter}` },
        say("undecodable", { kind: side.video.split(".").at(-1).toUpperCase() }),
        make("a", { "class": "action", href: `dreamina/video/${encodeURIComponent(side.share)}`, download: "" }, say("download"))));
    const facts = sides.map(([letter, side]) =>
      make("section", { "class": "compare-facts", "aria-label": `${letter}: ${side.prompt}` },
        make("dl", {}, ...names.map((name) => {
          const differs = valueOf(one, name) !== valueOf(two, name);
          const mark = differs ? [make("span", { "class": "visually-hidden" }, ` (${say("differs")})`)] : [];
          return make("div", { "class": differs ? "compare-fact differs" : "compare-fact" },
            make("dt", {}, name), make("dd", {}, valueOf(side, name), ...mark));
        }))));
    const play = make("button", { type: "button", "class": "compare-play", autofocus: "" });
    const position = make("input", {
      type: "range", min: "0", max: "0", step: "0.001", value: "0", "class": "compare-position",
      "aria-label": say("position"),
    });
    const time = make("span", { "class": "compare-time", "aria-hidden": "true" });
    const close = make("button", { type: "button", "class": "dialog-close", "data-close": "", "aria-label": say("close"), title: say("close") }, "✕");
    const dialog = make("dialog", { "class": "compare dialog", "aria-labelledby": "compare-title" },
      make("div", { "class": "dialog-head" }, make("h2", { id: "compare-title" }, say("compare")), close),
      make("div", { "class": "compare-grid", style: `--rows: ${Math.max(1, names.length)}` },
        ...videos.map((video, index) =>
          make("div", { "class": "compare-screen" }, video, sentences[index], make("span", { "class": "compare-letter", "aria-hidden": "true" }, sides[index][0]))),
        make("div", { "class": "compare-controls" }, play, position, time),
        ...facts));

    const clock = keepInStep(videos, (state) => showClock(state, { play, position, time }));
    play.addEventListener("click", clock.toggle);
    position.addEventListener("input", () => clock.scrub(Number(position.value)));
    for (const name of ["change", "blur", "pointerup", "pointercancel"]) position.addEventListener(name, clock.scrubbed);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("keydown", (event) => compareKey(event, clock));
    dialog.addEventListener("close", () => {
      clock.stop();
      for (const video of videos) {
        video.removeAttribute("src");
        video.load(); // lets go of the file
      }
      dialog.remove();
      // The browser gives the focus back to the node it came from, if that is still there.
      const active = document.activeElement;
      if (!active || active === document.body) rootNow()?.querySelector('[data-do="compare"]:not(:disabled)')?.focus();
    });

    // Inside `.contain`: Gradio keeps the rules of a style sheet's media queries to what is in there.
    const home = document.querySelector(".gradio-container .contain") ?? document.querySelector(".gradio-container");
    (home ?? document.body).append(dialog);
    dialog.showModal();
    clock.start(!calm());
  }

  function compareKey(event, clock) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isRange = event.target.matches("input");
    const step = { ",": -1, ".": 1 }[event.key] ?? (isRange ? { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -24, PageUp: 24 }[event.key] : undefined);
    if (step) clock.step(step);
    // On a button the space bar presses that button.
    else if (event.key === " " && !event.target.closest("button")) clock.toggle();
    else return;
    event.preventDefault();
  }

  function showClock({ at, duration, wanted }, { play, position, time }) {
    const label = say(wanted ? "pause" : "play");
    if (play.textContent !== label) {
      play.textContent = label;
      play.classList.toggle("playing", wanted);
    }
    if (Number(position.max) !== duration) position.max = String(duration);
    position.value = String(at);
    position.style.setProperty("--at", `${duration ? (at / duration) * 100 : 0}%`);
    const language = position.closest("[lang]")?.lang || navigator.language;
    const figures = (value, digits) =>
      value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
    const written = `${figures(at, 1)} / ${figures(duration, 1)} s`;
    if (time.textContent !== written) time.textContent = written;
    // While it plays, whole seconds are enough for who listens.
    const spoken = `${figures(wanted ? Math.floor(at) : at, wanted ? 0 : 2)} / ${figures(duration, 1)} s`;
    if (position.getAttribute("aria-valuetext") !== spoken) position.setAttribute("aria-valuetext", spoken);
  }

  // The longest video leads; the other ones follow it frame by frame, and wait at their own end until it starts anew.
  // Not by `loop`: two videos that wrap around by themselves part a little more each time.
  function keepInStep(videos, show) {
    const goals = new Map(); // where a video that is still seeking should go next
    let wanted = false; // does the person want it to play?
    let holding = true; // stands still until all are ready, to start together
    let heldAt = 0;
    let scrubbing = false;
    let at = 0;
    let next = 0;

    const live = () => videos.filter((video) => !video.error);
    const lengthOf = (video) => (Number.isFinite(video.duration) ? video.duration : 0);
    const duration = () => Math.max(0, ...live().map(lengthOf));
    const leader = () => live().find((video) => lengthOf(video) === duration());
    const isAtEnd = (video) => video.ended || (video.duration && video.currentTime >= video.duration - FRAME_S / 4);
    const isBusy = (video) => video.seeking || goals.has(video) || (video.readyState < 3 && !isAtEnd(video));

    for (const video of videos) {
      video.addEventListener("seeked", () => {
        if (!goals.has(video)) return;
        const goal = goals.get(video);
        goals.delete(video);
        video.currentTime = goal;
      });
    }

    function seek(video, to) {
      const goal = Math.min(to, lengthOf(video));
      if (video.seeking) goals.set(video, goal);
      else if (Math.abs(video.currentTime - goal) > 0.0005) video.currentTime = goal;
    }

    function hold() {
      if (!holding) heldAt = performance.now();
      holding = true;
      for (const video of live()) {
        video.pause();
        video.playbackRate = 1;
      }
    }

    function goTo(to) {
      at = Math.min(Math.max(0, to), duration());
      hold();
      heldAt = performance.now();
      for (const video of live()) seek(video, at);
    }

    function release() {
      holding = false;
      heldAt = performance.now();
      for (const video of live()) {
        if (isAtEnd(video)) continue;
        video.play().catch((problem) => {
          if (problem.name === "NotAllowedError") wanted = false;
        });
      }
    }

    function follow() {
      const lead = leader();
      at = lead.currentTime;
      if (lead.ended) return goTo(0);
      if (lead.paused) return hold(); // by the browser, to save power
      for (const video of live()) {
        if (video === lead || (isAtEnd(video) && at >= lengthOf(video) - FRAME_S)) continue;
        const drift = video.currentTime - Math.min(at, lengthOf(video));
        if (Math.abs(drift) > FRAME_S) return goTo(at);
        // Less than a frame is made up for by pace, which nobody sees; a seek would stutter.
        video.playbackRate = Math.abs(drift) < SMALL_DRIFT_S ? 1 : drift > 0 ? 0.96 : 1.04;
      }
    }

    function tick() {
      next = requestAnimationFrame(tick);
      if (wanted && !scrubbing && leader()) {
        const busy = live().some(isBusy);
        const isPatient = performance.now() - heldAt < IMPATIENT_MS;
        if (holding && (!busy || !isPatient)) release();
        else if (!holding && busy && !isPatient) hold();
        else if (!holding && !busy) follow();
      }
      show({ at, duration: duration(), wanted });
    }

    return {
      start(plays) {
        wanted = plays;
        heldAt = performance.now();
        tick();
      },
      stop() {
        cancelAnimationFrame(next);
        for (const video of videos) video.pause();
      },
      toggle() {
        wanted = !wanted;
        const lead = leader();
        if (lead) goTo(wanted && isAtEnd(lead) ? 0 : lead.currentTime);
      },
      scrub(to) {
        scrubbing = true;
        goTo(to);
      },
      scrubbed() {
        scrubbing = false;
      },
      // To the middle of a frame: at its edge, rounding decides which of two is shown.
      step(frames) {
        wanted = false;
        goTo((Math.floor(at / FRAME_S + 0.01) + frames + 0.5) * FRAME_S);
      },
    };
  }

  // -- what the server's page calls: before a delete of its own (as `js=` of the click), and when the history appears

  dreamina.deleting = (job) => {
    if (job) offerUndo([job]);
    return job;
  };

  let observer = null;
  dreamina.history = (element, trigger_) => {
    trigger = trigger_;
    observer?.disconnect();
    observer = new MutationObserver(apply);
    observer.observe(element, { childList: true, subtree: true, attributes: true });
    apply();
  };
})();
