// Collections: chooses what the history shows, asks for names, and moves videos in their order: by Shift and the arrow keys, by the
// bar's arrows, or by dragging a poster with the mouse.
//
// Needs:
// - data-choice: the list of all, stars and collections, in .among with data-words and data-most (characters of a name).
// - data-among: on .history-root, what it shows: "", "starred" or the id of a collection; and data-words, the sentence `place`.
// - data-act="rename", "share", "withdraw", "delete": in .collection-bar, which has data-name; "earlier", "later", "take_out": in
//   .picked-bar.
// - data-job: on the posters; data-copy, #collection-note: the button that copies a link, and the note beside it.
// - data-show="<collection id>": shows a collection.
// - `dreamina.pickedJobs`, `dreamina.unpick` (selection.js).
// - the events of the sections `among` and `history`.
// Makes:
// - `dreamina.collect(jobs)`: asks for a name, and puts the jobs into the collection of that name.
// - data-close: on the dialog's button (dialogs.js).
(() => {
  "use strict";

  const { announce, find, home, make, observe, posters, send, targetOf, wordsOf } = dreamina;
  const ALL = 100000; // more places than a collection has
  const DRAG_PX = 8; // a shorter way is a click
  const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -ALL, End: ALL };
  let known = ""; // what the list was set for
  let wanted = ""; // the button that gets the focus when the bar is drawn again

  const among = () => find(".history-root")?.dataset.among ?? "";
  const isInCollection = () => !["", "starred"].includes(among());
  const act = (name, values = {}) => send("history", "apply", { do: name, ...values });
  const choose = (value) => send("among", "select", { among: value });

  // -- what is shown

  function showChoice() {
    const list = find("[data-choice]");
    if (!list) return;
    const now = JSON.stringify([among(), ...[...list.options].map(({ value }) => value)]);
    if (now === known) return;
    known = now;
    list.value = among();
  }

  function giveFocus() {
    const node = wanted && find(wanted);
    if (!node) return;
    wanted = "";
    const active = document.activeElement;
    if (!active || active === document.body || active.closest(".collection-bar, .collection-note")) node.focus();
  }

  document.addEventListener("change", (event) => {
    if (targetOf(event)?.matches("[data-choice]")) choose(event.target.value);
  });

  // -- dialogs

  // Asks for a text, or with `question` for a yes; calls `then` with it.
  function ask({ title, button, value = "", names = [], hint = "", question = "" }, then) {
    const root = find(".among");
    const say = wordsOf(root);
    const input = question ? null : make("input", {
      type: "text", required: "", maxlength: root.dataset.most, value, list: "collection-names", autocomplete: "off", dir: "auto", autofocus: "",
    });
    const body = question
      ? [make("p", {}, question)]
      : [make("label", {}, make("span", {}, say("name")), input),
        make("datalist", { id: "collection-names" }, ...names.map((name) => make("option", { value: name })))];
    const form = make("form", { method: "dialog" }, ...body, ...(hint ? [make("p", { "class": "collection-hint" }, hint)] : []),
      make("div", { "class": "ask-buttons" }, make("button", { type: "submit", "class": "ask-yes" }, button),
        make("button", { type: "button", "data-close": "" }, say("cancel"))));
    const dialog = make("dialog", { "class": "ask dialog", "aria-labelledby": "ask-title" }, make("h2", { id: "ask-title" }, title), form);
    form.addEventListener("submit", (event) => {
      if (input && !input.value.trim()) {
        event.preventDefault();
        input.value = "";
        input.reportValidity();
      } else then(input?.value);
    });
    dialog.addEventListener("close", () => dialog.remove());
    home().append(dialog);
    dialog.showModal();
    input?.select();
  }

  dreamina.collect = (jobs) => {
    const say = wordsOf(find(".among"));
    const names = [...find("[data-choice]").querySelectorAll("optgroup option")].map((option) => option.textContent);
    ask({ title: say("title"), button: say("collect"), names, hint: say("hint") }, (name) => {
      act("collect", { name, job_ids: jobs });
      dreamina.unpick();
    });
  };

  const acts = {
    rename(bar, say) {
      ask({ title: say("rename"), button: say("save"), value: bar.dataset.name }, (name) => act("rename", { name }));
    },
    delete(bar, say) {
      const question = say("delete.ask", { name: `\u2068${bar.dataset.name}\u2069` });
      ask({ title: say("delete"), button: say("delete"), question }, () => {
        wanted = "[data-choice]";
        act("delete");
      });
    },
    share() {
      wanted = ".collection-bar [data-copy]";
      act("share");
    },
    withdraw() {
      wanted = '.collection-bar [data-act="share"]';
      act("withdraw");
    },
    earlier: () => move(dreamina.pickedJobs(), -1),
    later: () => move(dreamina.pickedJobs(), 1),
    take_out() {
      act("take_out", { job_ids: dreamina.pickedJobs() });
      dreamina.unpick();
    },
  };

  document.addEventListener("click", (event) => {
    const target = targetOf(event);
    const button = target?.closest("[data-act]");
    if (button) acts[button.dataset.act](find(".collection-bar"), wordsOf(find(".among")));
    const shown = target?.closest("[data-show]");
    if (shown) {
      wanted = "[data-choice]";
      choose(shown.dataset.show);
      find("#collection-note .collection-note")?.remove();
    }
  });

  // -- the order

  function move(jobs, by) {
    act("step", { job_ids: jobs, by });
    if (jobs.length !== 1) return;
    const shown = posters();
    const at = shown.findIndex((poster) => poster.dataset.job === jobs[0]);
    const place = Math.min(Math.max(at + by, 0), shown.length - 1) + 1;
    announce(wordsOf(find(".history-root"))("place", { place, count: shown.length }));
  }

  document.addEventListener("keydown", (event) => {
    const by = STEPS[event.key];
    if (!by || !event.shiftKey || event.ctrlKey || event.metaKey || event.altKey || !isInCollection()) return;
    const poster = targetOf(event)?.closest(".history-root .posters > [data-job]");
    if (!poster) return;
    event.preventDefault();
    move([poster.dataset.job], by);
  });

  // Not the browser's own dragging, which does not begin on a button everywhere.
  let drag = null; // { poster, x, y, isOn, target, isAfter }

  document.addEventListener("pointerdown", (event) => {
    const poster = targetOf(event)?.closest(".history-root .posters > [data-job]");
    if (!poster || event.button !== 0 || event.pointerType === "touch" || !isInCollection()) return;
    drag = { poster, x: event.clientX, y: event.clientY, isOn: false, target: null, isAfter: false };
  });

  document.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const { clientX: x, clientY: y } = event;
    if (!drag.isOn && Math.hypot(x - drag.x, y - drag.y) < DRAG_PX) return;
    drag.isOn = true;
    drag.poster.classList.add("dragged");
    const target = document.elementFromPoint(x, y)?.closest(".history-root .posters > [data-job]") ?? null;
    unmark();
    drag.target = target === drag.poster ? null : target;
    if (!drag.target) return;
    const { left, width } = drag.target.getBoundingClientRect();
    drag.isAfter = x > left + width / 2;
    drag.target.classList.add(drag.isAfter ? "drop-after" : "drop-before");
  });

  function unmark() {
    drag?.target?.classList.remove("drop-after", "drop-before");
  }

  function endDrag() {
    unmark();
    drag?.poster.classList.remove("dragged");
    drag = null;
  }

  document.addEventListener("pointerup", () => {
    if (!drag?.isOn) {
      endDrag();
      return;
    }
    // The click that follows opens nothing.
    const swallow = (event) => (event.stopPropagation(), event.preventDefault());
    document.addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => document.removeEventListener("click", swallow, { capture: true }));
    const { poster, target, isAfter } = drag;
    endDrag();
    if (target) drop(poster, target, isAfter);
  });
  document.addEventListener("pointercancel", endDrag);
  document.addEventListener("keydown", (event) => event.key === "Escape" && drag?.isOn && (event.preventDefault(), endDrag()), true);
  document.addEventListener("dragstart", (event) => drag && targetOf(event)?.closest(".posters") && event.preventDefault());

  function drop(poster, target, isAfter) {
    const others = posters().filter((one) => one !== poster);
    const next = others[others.indexOf(target) + (isAfter ? 1 : 0)];
    const { job } = poster.dataset;
    if (next) act("order", { job_ids: [job], before: next.dataset.job });
    else act("step", { job_ids: [job], by: others.length - posters().indexOf(poster) }); // the last place of this page
  }

  observe(() => {
    showChoice();
    giveFocus();
  }, "data-among", "data-name");
})();
