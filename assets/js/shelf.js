// The shelf: a dialog with the prompts that the visitor has named. The server searches and changes; this draws its answers.
//
// Needs:
// - data-shelf: on the button that opens it, #shelf-open, with data-words, data-most (characters of a name), data-bytes (of a table)
//   and data-endings (of tables). It is hidden until the history has its choice ([data-choice]), which is from the first video on.
// - data-agree="<answer>": on a button in an answer about a table.
// - the events of the section `shelf`, and `js="window.dreamina.showShelf"` on its answer.
// - `js="window.dreamina.shelfTable"`: on the event that takes in a table.
// Makes:
// - #shelf-dialog, when it is first opened; data-close on its button (dialogs.js); data-id, data-name, data-shelf-do: on its list and buttons.
(() => {
  "use strict";

  const { find, home, make, observe, send, targetOf, wordsOf, write } = dreamina;
  const PAUSE_MS = 200; // after a key in the search
  let parts = null; // of the dialog: { dialog, name, said, sought, count, list, empty, file }
  let listed = ""; // what the list was drawn for
  let after = ""; // the selector of what gets the focus with the next answer
  let table = ""; // in base64
  let agreed = [];
  let pause = 0;

  const root = () => find("[data-shelf]");
  const say = (key, values) => wordsOf(root())(key, values);
  const asked = (values) => ({ ...values, words: parts.sought.value });
  const act = (name, values = {}) => send("shelf", "apply", asked({ do: name, ...values }));

  function button(key, name, act) {
    const words = say(key);
    const label = name ? { "aria-label": `${words}: ${name}` } : {};
    return make("button", { type: "button", ...(act ? { "data-shelf-do": act } : {}), ...label }, words);
  }

  function field(key, attributes) {
    const input = make("input", { autocomplete: "off", dir: "auto", ...attributes });
    return [input, make("label", {}, make("span", {}, say(key)), input)];
  }

  function build() {
    const [name, nameLabel] = field("name", { type: "text", required: "", maxlength: root().dataset.most });
    const [sought, searchLabel] = field("search", { type: "search", maxlength: "200" });
    const said = make("div", { "class": "shelf-said", role: "status" });
    const count = make("span", { "class": "shelf-count", role: "status" });
    const list = make("ul", { "class": "shelf-list", "aria-label": say("list") });
    const empty = make("p", { "class": "shelf-hint", hidden: "" });
    const file = make("input", { type: "file", accept: root().dataset.endings, hidden: "", "aria-label": say("import") });
    const save = make("form", { "class": "shelf-line" }, nameLabel,
      make("button", { type: "submit", "class": "shelf-yes" }, say("save")), make("p", { "class": "shelf-hint" }, say("save.hint")));
    const dialog = make("dialog", { id: "shelf-dialog", "class": "shelf dialog", "aria-labelledby": "shelf-title" },
      make("div", { "class": "dialog-head" }, make("h2", { id: "shelf-title" }, say("shelf")),
        make("button", { type: "button", "class": "dialog-close", "data-close": "", "aria-label": say("close") }, "✕")),
      save, said, make("div", { "class": "shelf-line" }, searchLabel, count), list, empty,
      make("div", { "class": "shelf-line" }, button("export", "", "export"), button("import", "", "import"), file));
    parts = { dialog, name, said, sought, count, list, empty, file };
    save.addEventListener("submit", (event) => {
      event.preventDefault();
      act("save", { name: name.value });
    });
    sought.addEventListener("input", () => {
      clearTimeout(pause);
      pause = setTimeout(() => act("search"), PAUSE_MS);
    });
    file.addEventListener("change", read);
    dialog.addEventListener("click", onClick);
    home().append(dialog);
  }

  const acts = {
    use: (id) => send("shelf", "select", asked({ id })),
    into_batch: (id) => send("shelf", "like", asked({ id })),
    delete(id) {
      after = '[data-shelf-do="undo"]';
      act("delete", { id });
    },
    undo(id) {
      after = `[data-id="${id}"] button`;
      act("undo", { id });
    },
    export: () => act("export"),
    import: () => parts.file.click(),
    rename,
  };

  function onClick(event) {
    const chosen = targetOf(event)?.closest("[data-shelf-do], [data-agree]");
    if (!chosen) return;
    if (chosen.dataset.agree) {
      event.stopPropagation(); // the batch's own tables have such buttons, too
      agreed.push(chosen.dataset.agree);
      send("shelf", "upload", asked({ agreed }));
    } else acts[chosen.dataset.shelfDo](chosen.closest("[data-id]")?.dataset.id);
  }

  function rename(id) {
    const item = parts.list.querySelector(`[data-id="${id}"]`);
    const before = [...item.childNodes];
    const [input, label] = field("name", { type: "text", required: "", maxlength: root().dataset.most, value: item.dataset.name });
    const cancel = button("cancel");
    const form = make("form", { "class": "shelf-line" }, label,
      make("button", { type: "submit", "class": "shelf-yes" }, say("rename.save")), cancel);
    const end = () => {
      item.replaceChildren(...before);
      item.querySelector('[data-shelf-do="rename"]').focus();
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      after = `[data-id="${id}"] [data-shelf-do="rename"]`;
      act("rename", { id, name: input.value });
    });
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      end();
    });
    cancel.addEventListener("click", end);
    item.replaceChildren(form);
    input.select();
  }

  // -- tables

  async function read() {
    const [chosen] = parts.file.files;
    if (!chosen) return;
    const limit = Number(root().dataset.bytes);
    if (chosen.size > limit) {
      tell(say("too_big", { limit }), true);
    } else {
      const reader = new FileReader();
      await new Promise((resolve) => {
        reader.onload = reader.onerror = resolve;
        reader.readAsDataURL(chosen);
      });
      table = String(reader.result ?? "").split(",")[1] ?? "";
      agreed = [];
      send("shelf", "upload", asked({ agreed }));
    }
    parts.file.value = ""; // the same file can be chosen again
  }

  function save(text) {
    // Without the mark, Excel takes the letters for others.
    const address = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv;charset=utf-8" }));
    const link = make("a", { href: address, download: "shelf.csv", hidden: "" });
    parts.dialog.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  // -- answers

  function tell(text, isProblem, html = "") {
    parts.said.classList.toggle("is-problem", isProblem);
    if (html) parts.said.innerHTML = html; // of the server, which escapes what others wrote
    else parts.said.textContent = text;
  }

  function draw(answer) {
    if (answer.sought !== parts.sought.value) return; // a newer one comes
    const now = JSON.stringify(answer.listed);
    if (now !== listed || answer.done === "rename") {
      listed = now;
      parts.list.replaceChildren(...answer.listed.map(({ id, name, prompt, model }) => {
        const about = make("div", { "class": "shelf-about" }, make("b", {}, make("bdi", {}, name)), " ",
          make("span", { "class": "shelf-model" }, model), make("p", { dir: "auto" }, prompt));
        const buttons = [["use", "use"], ["into_batch", "into_batch"], ["rename", "rename"], ["delete", "delete"]];
        return make("li", { "data-id": id, "data-name": name }, about,
          make("div", { "class": "shelf-acts" }, ...buttons.map(([key, act]) => button(key, name, act))));
      }));
    }
    const shown = answer.listed.length;
    const words = parts.sought.value.trim();
    write(parts.count, { textContent: say("count", { count: answer.count }) });
    write(parts.list, { hidden: !shown });
    write(parts.empty, {
      hidden: shown > 0 && shown === answer.count,
      textContent: shown ? say("more", { count: shown, all: answer.count }) : say(words ? "none" : "empty"),
    });
  }

  // Gradio calls it with each answer.
  dreamina.showShelf = (text) => {
    if (!text || !parts) return;
    const answer = JSON.parse(text);
    if (["open", "save"].includes(answer.done) && !answer.is_problem) parts.name.value = answer.name;
    if (!(answer.done === "rename" && answer.is_problem)) draw(answer); // a name that is refused stays in its field
    if (answer.done !== "search") tell("", answer.is_problem, answer.said);
    if (answer.undo) {
      const undo = button("undo", "", "undo");
      parts.said.append(make("span", { "data-id": answer.undo }, undo));
    }
    if (answer.table) save(answer.table);
    if (answer.done === "use") parts.dialog.close();
    if (after && !answer.is_problem) parts.dialog.querySelector(after)?.focus();
    after = "";
  };

  dreamina.shelfTable = () => [table];

  document.addEventListener("click", (event) => {
    if (!targetOf(event)?.closest("[data-shelf]")) return;
    // The page in another language draws another one.
    if (parts && !parts.dialog.isConnected) parts = null;
    if (!parts) build();
    tell("", false);
    parts.dialog.showModal();
    parts.name.select();
    act("open");
  });

  observe(() => write(root(), { hidden: !find("[data-choice]") }), "hidden");
})();
