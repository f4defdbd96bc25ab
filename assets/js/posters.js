// Makes the posters of the history from the data that the server sends (dreamina_ui/ui/html/history.py describes it).
//
// Gradio removes nodes that it does not know, so this script stores the list and inserts it again after each change. Posters
// that stay keep their nodes, and with them their loaded pictures and the focus.
//
// Needs:
// - .history-root: the element with the data; the posters are added to it.
// - data-posters="[[…], …]": one array for each job; without it there are no posters.
// - data-folder="address/": where the files are.
// - data-fields="[[title, labels], …]": the settings, in the order of each array's values.
// - data-words: the sentences `pick` and `star`, and the kinds of files.
// Makes:
// - data-job, data-share: on each poster, the ids of its job.
// - data-video: the address of its video, if browsers may play it.
// - data-facts="[[title, value], …]": its settings, if it has a file.
// - data-open, data-pick, data-star: on its button, its checkbox and its star.
// - data-poster="Video": on its picture, for missing-poster.js.
(() => {
  "use strict";

  const { find, observe, make, wordsOf } = dreamina;
  // A number is the kind of the first file of a finished job; a word is the state of a job without a file.
  const VIDEO = 0, SOUND = 2, NO_FILE = 4;
  const POSTER_DUE = 2; // beside 1, of what can be selected
  const STARRED = 4; // added to it
  const KINDS = ["video", "picture", "sound", "file"];
  const PICTURED = /\.(mp4|webm|mov|3gp|mkv|avi|flv|ts|mpg|wmv|ogv|image\.\w+)$/; // the files that have a picture
  const PROMPT_MOST = 160; // characters of a prompt on its poster
  const LABEL_MOST = 80; // characters of a prompt in the name of its checkbox
  const made = new Map(); // job id → { node, from }, of the posters on the page
  const list = make("ul", { "class": "posters" });
  let listFrom = "";

  function build() {
    const root = find(".history-root");
    if (!root) return;
    if (root.dataset.posters === undefined) {
      list.remove();
      return;
    }
    const { posters, folder, fields, words } = root.dataset;
    const from = [posters, folder, fields, words].join("\n");
    if (from !== listFrom) {
      listFrom = from;
      fill(JSON.parse(posters), { folder, titles: JSON.parse(fields), say: wordsOf(root) });
    }
    if (list.parentNode !== root) root.append(list);
  }

  function fill(items, shared) {
    const stays = new Set(items.map(([job]) => job));
    for (const [job, { node }] of made) {
      if (stays.has(job)) continue;
      node.remove();
      made.delete(job);
    }
    items.forEach((item, at) => {
      const node = posterOf(item, shared);
      if (list.children[at] !== node) list.insertBefore(node, list.children[at] ?? null);
    });
  }

  function posterOf(item, { folder, titles, say }) {
    const [job, share, stateAndEnd, marks, word, prompt, ...values] = item;
    const pickable = marks % STARRED;
    const [state, end] = Array.isArray(stateAndEnd) ? stateAndEnd : [stateAndEnd, ".mp4"];
    const from = JSON.stringify([item, folder, titles, say("pick")]);
    const known = made.get(job);
    if (known?.from === from) return known.node;
    const node = known?.node ?? make("li", {}, make("button", { type: "button", "class": "poster-open", "data-open": "" }));
    made.set(job, { node, from });
    const file = `${folder}${encodeURIComponent(share)}`;
    const isDone = typeof state === "number";
    const isHere = isDone && state !== NO_FILE;
    const kind = isHere ? "succeeded" : isDone ? "no-file" : state;
    const attributes = { "class": `poster ${kind}`, "data-job": job, "data-share": share };
    if (isHere) attributes["data-facts"] = JSON.stringify(factsOf(titles, values, prompt));
    if (state === VIDEO) attributes["data-video"] = `${file}${end}`;
    for (const name of ["data-video", "data-facts"]) if (!(name in attributes)) node.removeAttribute(name);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    const shown = short(prompt, PROMPT_MOST);
    const button = node.querySelector("[data-open]");
    button.setAttribute("title", shown);
    button.replaceChildren(
      pictureOf(state, file, end, say, pickable === POSTER_DUE),
      make("span", { "class": "poster-state" }, word),
      make("span", { "class": "poster-prompt" }, shown));
    node.querySelector(".poster-pick")?.remove();
    if (pickable) {
      const label = say("pick", { prompt: short(prompt, LABEL_MOST) });
      const box = make("input", { type: "checkbox", "data-pick": "", "aria-label": label });
      node.append(make("label", { "class": "poster-pick" }, box));
    }
    // It stays the same node, so that it keeps the focus.
    const star = node.querySelector("[data-star]") ?? make("button", { type: "button", "class": "poster-star", "data-star": "" });
    if (!isHere) star.remove();
    else {
      star.setAttribute("aria-label", say("star", { prompt: short(prompt, LABEL_MOST) }));
      star.setAttribute("aria-pressed", String(marks >= STARRED));
      node.append(star);
    }
    return node;
  }

  function pictureOf(state, file, end, say, isDue) {
    const kind = KINDS[state];
    if (!kind) return make("span", { "class": state === NO_FILE ? "poster-blank kind-none" : "poster-blank", "aria-hidden": "true" });
    const name = say(`kind.${kind}`);
    if (state === SOUND || !PICTURED.test(end)) return make("span", { "class": `poster-blank kind-${kind}` }, make("span", {}, name));
    if (isDue) return make("span", { "class": "poster-blank" }, make("span", {}, name));
    const src = `${file}${end.replace(/\..*$/, "")}.webp`;
    return make("img", { alt: "", loading: "lazy", decoding: "async", src, "data-poster": name });
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

  observe(build, "data-posters", "data-folder", "data-fields", "data-words");
})();
