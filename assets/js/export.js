// Exports a finished video, or a part of it, as MP4, WebM or GIF: a dialog asks for the part and the size, and says what was made.
//
// Needs:
// - data-export="SHARE", data-seconds="5.04": on a button, the video's share id and its length, which may be empty.
// - data-words: on that button, the sentences that `say` gives; data-choices: the widths and rates of each format.
// - #player video: the player, whose time offers itself as start and end.
// Makes:
// - dialog.export: with fields named as, from, to, width, fps, as the address dreamina/export has them; data-row: around each of them.
// - data-take="from": on the button that fills a field with the player's time.
// - data-close: on the button that closes it (dialogs.js).
(() => {
  "use strict";

  const { download, find, home, make, targetOf, wordsOf, write } = dreamina;
  const TIME_STEP = 0.001;

  // What a server says of a file that it makes, as { said } or { error }; it may take minutes.
  dreamina.askFor = async (address, lost) => {
    try {
      const reply = await fetch(`${address}&tell=1`, { headers: { Accept: "application/json" } });
      return await reply.json();
    } catch {
      return { error: lost };
    }
  };

  const rounded = (seconds) => String(Math.floor(seconds / TIME_STEP + 0.5) * TIME_STEP).replace(/(\.\d{3})\d+$/, "$1");
  const playerTime = () => find("#player video")?.currentTime ?? 0;

  function timeField(name, label, value, most, say) {
    const input = make("input", { type: "number", name, id: `export-${name}`, min: "0", step: String(TIME_STEP), inputmode: "decimal" });
    if (most) input.max = rounded(most);
    input.value = value;
    const take = make("button", { type: "button", "class": "action", "data-take": name, "aria-label": `${label}: ${say("here")}` }, say("here"));
    return row(name, label, input, take);
  }

  function choiceField(name, label, choices, textOf) {
    const options = choices.map((value) => make("option", { value: String(value) }, textOf(value)));
    return row(name, label, make("select", { name, id: `export-${name}` }, ...options));
  }

  function row(name, label, ...fields) {
    return make("div", { "class": "export-row", "data-row": name }, make("label", { "for": `export-${name}` }, label), ...fields);
  }

  function open(button) {
    const say = wordsOf(button);
    const choices = JSON.parse(button.dataset.choices);
    const length = Number(button.dataset.seconds) || 0;
    const formats = Object.keys(choices);
    const status = make("p", { "class": "export-status", role: "status" });
    const submit = make("button", { type: "submit", "class": "export-make" }, say("make"));
    const form = make("form", { "class": "export-form" },
      choiceField("as", say("format"), formats, (value) => say(`as.${value}`)),
      timeField("from", say("from"), "0", length, say),
      timeField("to", say("to"), length ? rounded(length) : "", length, say),
      choiceField("width", say("width"), [], String), choiceField("fps", say("fps"), [], String),
      status, submit);
    const dialog = make("dialog", { "class": "export dialog", "aria-labelledby": "export-title" },
      make("div", { "class": "dialog-head" }, make("h2", { id: "export-title" }, say("title")),
        make("button", { type: "button", "class": "dialog-close", "data-close": "", "aria-label": say("close"), title: say("close") }, "✕")),
      form);
    const named = (name) => form.elements.namedItem(name);

    function showChoices() {
      for (const name of ["width", "fps"]) {
        const { [name]: values = [], usual = {} } = choices[named("as").value];
        const before = named(name).value;
        const options = values.map((value) => make("option", { value: String(value) }, String(value)));
        named(name).replaceChildren(...options);
        if (values.length) named(name).value = values.includes(Number(before)) ? before : String(usual[name]);
        form.querySelector(`[data-row="${name}"]`).hidden = !values.length;
      }
      status.replaceChildren();
    }

    async function makeFile(event) {
      event.preventDefault();
      const names = ["as", "from", "to", "width", "fps"].filter((name) => named(name).value !== "");
      const query = names.map((name) => `${name}=${encodeURIComponent(named(name).value)}`);
      const address = `dreamina/export?job=${encodeURIComponent(button.dataset.export)}&${query.join("&")}`;
      write(submit, { disabled: true });
      status.textContent = say("making");
      const { said, error } = await dreamina.askFor(address, say("lost"));
      write(submit, { disabled: false });
      status.replaceChildren(said ?? error ?? say("lost"));
      if (!said || !dialog.isConnected) return;
      status.append(" ", make("a", { "class": "action", href: address, download: "" }, say("download")));
      download(address);
    }

    form.noValidate = true; // the server's sentences name what is wrong, in the page's language
    named("as").addEventListener("change", showChoices);
    form.addEventListener("submit", makeFile);
    dialog.addEventListener("click", (event) => {
      const name = targetOf(event)?.closest("[data-take]")?.dataset.take;
      if (name) named(name).value = rounded(playerTime());
    });
    // A player that is only just loaded would begin by itself behind the dialog.
    const hold = ({ target }) => target === find("#player video") && target.pause();
    document.addEventListener("play", hold, true);
    dialog.addEventListener("close", () => {
      document.removeEventListener("play", hold, true);
      dialog.remove();
      const active = document.activeElement;
      if (!active || active === document.body) find("[data-export]")?.focus();
    });
    find("#player video")?.pause();
    home().append(dialog);
    showChoices();
    dialog.showModal();
    named("as").focus();
  }

  document.addEventListener("click", (event) => {
    const button = targetOf(event)?.closest("[data-export]");
    if (button) open(button);
  });
})();
