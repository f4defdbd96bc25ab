// Helpers that the other scripts share. This file is loaded first; the order of the others does not matter.
//
// Gradio draws its components again at any time, so each script listens on the document and queries its elements each time.
// All scripts run in the page's head, before its body and before Gradio.
//
// Needs:
// - .contain: Gradio's box around the page. The media queries of our styles hold for what is inside.
// - data-words='{"key": "A sentence with {count}"}': on an element, the sentences that its script shows.
// - .history-root .posters > [data-job]: the posters of the history (posters.js makes them).
// - `js="() => dreamina.later(5)"`: on Gradio's event that opens the page, with so many outputs.
// Makes:
// - #said: a live region for screen readers, for messages away from the focus.
window.dreamina = (() => {
  "use strict";

  const YEAR_S = 31536000;
  const UNSEEN_MS = 300;
  const find = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const targetOf = (event) => (event.target instanceof Element ? event.target : null);
  const posters = () => all(".history-root .posters > [data-job]");
  const home = () => find(".contain") ?? document.body;
  const prefersLessMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const publish = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  // Writes only values that differ, because each write is a change of the page, which calls all reactions again.
  function write(node, values) {
    for (const [name, value] of Object.entries(values)) if (node && node[name] !== value) node[name] = value;
  }

  function writeAttribute(node, name, value) {
    if (node && node.getAttribute(name) !== value) node.setAttribute(name, value);
  }

  // The sentences of an element: `say("selected", { count: 2 })`.
  function wordsOf(element) {
    const words = JSON.parse(element.dataset.words);
    return (key, values = {}) => words[key].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  }

  function announce(words) {
    let region = find("#said");
    if (!region) {
      region = make("div", { id: "said", "class": "visually-hidden", role: "status" });
      home().append(region);
    }
    // Screen readers read a text only if the region was empty before.
    region.textContent = "";
    setTimeout(() => (region.textContent = words), 50);
  }

  function download(address) {
    const link = make("a", { href: address, download: "", hidden: "" });
    document.body.append(link);
    link.click();
    link.remove();
  }

  // -- the events of Gradio's HTML components: each registers its `trigger` when it appears

  const triggers = new Map();
  const connect = (section, trigger) => triggers.set(section, trigger);
  const send = (section, event, data) => triggers.get(section)?.(event, data);

  // -- changes of the page, by one observer for all scripts

  const reactions = [];
  const attributes = new Set();

  // Calls `react` when the page is there, and after each change of nodes, of texts, and of the attributes named here.
  function observe(react, ...names) {
    reactions.push(react);
    for (const name of names) attributes.add(name);
  }

  // As microtasks, so that an error in one does not stop the others.
  const reactAll = () => reactions.forEach((react) => queueMicrotask(react));

  document.addEventListener("DOMContentLoaded", () => {
    const options = { subtree: true, childList: true, characterData: true, attributes: true };
    new MutationObserver(reactAll).observe(document.body, { ...options, attributeFilter: [...attributes] });
    reactAll();
  });

  // -- what waits until the form is seen

  // A page that nobody looks at has no frames.
  const shown = () =>
    new Promise((resolve) => {
      requestAnimationFrame(() => setTimeout(resolve));
      setTimeout(resolve, UNSEEN_MS);
    });

  // Shows so many of Gradio's components, once the browser has drawn what was there before them.
  async function later(count) {
    await shown();
    return Array.from({ length: count }, () => ({ __type__: "update", visible: true }));
  }

  // -- changes of texts that people and Gradio write

  const WRITTEN = "dreamina:written";

  // Calls `react(box)` for each text box of this selector: when it appears, when somebody types, and when Gradio fills it.
  function observeText(selector, react) {
    observe(() => {
      for (const box of all(selector)) {
        observeValue(box);
        react(box);
      }
    });
    for (const name of ["input", WRITTEN]) {
      document.addEventListener(name, (event) => targetOf(event)?.matches(selector) && react(event.target));
    }
  }

  // Gradio sets the property `value`, which no event and no observer reports.
  function observeValue(box) {
    if (Object.hasOwn(box, "value")) return;
    const { get, set } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(box), "value");
    Object.defineProperty(box, "value", {
      configurable: true,
      get() {
        return get.call(box);
      },
      set(text) {
        set.call(box, text);
        box.dispatchEvent(new Event(WRITTEN, { bubbles: true }));
      },
    });
  }

  // -- storage; in a frame of another site some browsers refuse it: then values last as long as the page

  // In a frame of another site, as on a Space, browsers keep only a cookie with these marks, and only over https.
  function keepCookie(name, value) {
    const site = location.protocol === "https:" ? "; Secure; SameSite=None; Partitioned" : "; SameSite=Lax";
    document.cookie = `${name}=${value}; Path=${new URL(".", location.href).pathname}; Max-Age=${YEAR_S}${site}`;
  }

  const unstored = new Map();

  function loadValue(name) {
    if (unstored.has(name)) return unstored.get(name);
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  }

  function saveValue(name, value) {
    try {
      localStorage.setItem(name, value);
    } catch {
      unstored.set(name, value);
    }
  }

  return {
    all, announce, connect, download, find, observe, observeText, home, keepCookie, later, make, posters, prefersLessMotion, publish,
    loadValue, saveValue, send, shown, targetOf, wordsOf, write, writeAttribute,
  };
})();
